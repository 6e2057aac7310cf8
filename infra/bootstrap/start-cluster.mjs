import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { orExplain, prepareWorkspace, root, SetupError } from "./workspace.mjs";

/** A supervisor listens there, not only its leftover file. */
const answers = (socketPath) =>
  new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

/** Two clusters on one data folder would destroy each other's data; said before anything is installed or built. */
async function refuseSecondStart() {
  const path = join(process.env.UNDERSTUDY_STATE_DIR || join(root, ".understudy"), "run.json");
  if (!existsSync(path)) return;
  let run;
  try {
    run = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return;
  }
  if (!run.supervisor?.controlSocket || !(await answers(run.supervisor.controlSocket))) return;
  throw new SetupError(
    `Understudy runs already: ${run.urls.loadBalancer} (process ${run.supervisor.pid}). Stop it with Ctrl-C or: kill ${run.supervisor.pid}`,
  );
}

/** From whatever is there to the launcher, in this process. */
export async function startCluster(args) {
  await orExplain(async () => {
    await refuseSecondStart();
    await prepareWorkspace(["@understudy/local", "@understudy/cli"]);
  });
  const { main } = await import("../local/dist/main.js");
  await main(args);
}
