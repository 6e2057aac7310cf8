import { PlantedTree, plantedBugs } from "@understudy/drill";

describe("the tests catch a planted bug:", () => {
  let tree: PlantedTree;
  beforeAll(() => {
    tree = new PlantedTree();
  });
  afterAll(() => tree.remove());

  it.each(plantedBugs.map((bug) => [bug.name, bug] as const))(
    "%s",
    async (_name, bug) => {
      const { isCaught, output } = await tree.try(bug);
      if (!isCaught) throw new Error(`Nobody noticed.\n${output.slice(-3_000)}`);
    },
    330_000,
  );
});
