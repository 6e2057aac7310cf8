/** The process `network`: runs the links that the supervisor wishes, and ends when the supervisor is gone. */
import { Network, networkWish } from "./network.ts";
import { host } from "./plan.ts";

const network = new Network(host);
// One wish after the other: each is the whole truth, so the last one stands.
let applied = Promise.resolve();

process.on("message", (message) => {
  const wish = networkWish.parse(message);
  applied = applied.then(async () => {
    process.send?.(await network.apply(wish));
  });
});
process.on("disconnect", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
