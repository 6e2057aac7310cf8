/** One candidate of an etcd election: `node etcd-elector-process.js ENDPOINT NAME`; sends the wall clock when elected. */
const [endpoint = "", name = ""] = process.argv.slice(2);

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function post<Answer>(path: string, body: object): Promise<Answer> {
  const response = await fetch(`${endpoint}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}

// One second asked; etcd grants the shortest lease it knows.
const { ID, TTL } = await post<{ ID: string; TTL: string }>("lease/grant", { TTL: 1 });
setInterval(() => void post("lease/keepalive", { ID }).catch(() => undefined), (Number(TTL) * 1_000) / 3);
await post("election/campaign", { name: base64(name), lease: ID, value: base64(String(process.pid)) });
process.send?.(Date.now());
