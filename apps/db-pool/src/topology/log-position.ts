/** PostgreSQL's positions in its write-ahead log: `0/3000148` is 64 bits in two hexadecimal halves. */
export function bytesOf(position: string): bigint {
  const [high = "0", low = "0"] = position.split("/");
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** How far `behind` is behind `ahead`; 0 where it is not. */
export function lagBytes(ahead: string, behind: string): number {
  const lag = bytesOf(ahead) - bytesOf(behind);
  return lag > 0n ? Number(lag) : 0;
}
