// Read by any Node that knows ES modules (12 and later): only old syntax here, and in the entries that import this.

export const neededNode = [20, 19];

/** True when `version` ("20.19.1") is at least `neededNode`. */
export function isNewEnough(version) {
  const parts = version.split(".").map(Number);
  return parts[0] > neededNode[0] || (parts[0] === neededNode[0] && parts[1] >= neededNode[1]);
}

/** Ends the process with one sentence on a Node that is too old; all else is imported only after this. */
export function requireNode() {
  if (isNewEnough(process.versions.node)) return;
  console.error(
    "Understudy needs Node >= " +
      neededNode.join(".") +
      ", this is " +
      process.versions.node +
      ": see https://nodejs.org.",
  );
  process.exit(1);
}
