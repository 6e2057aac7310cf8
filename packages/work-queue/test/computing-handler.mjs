// A handler for a worker thread: computes, without ever giving the loop a turn.
export default async function compute({ ms, what }, job) {
  if (what === "throw") throw new RangeError(`no ${job.type}`);
  job.progress({ began: true });
  const end = Date.now() + ms;
  let sum = 0;
  if (what === "wait") {
    await new Promise((_resolve, reject) => job.signal.addEventListener("abort", () => reject(job.signal.reason)));
  }
  while (Date.now() < end) sum += Math.sqrt(sum + 1);
  return { attempt: job.attempt, isNumber: Number.isFinite(sum) };
}
