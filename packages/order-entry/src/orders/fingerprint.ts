import { createHash } from "node:crypto";
import type { OrderRequest } from "./order.schema.ts";

/** SHA-256 of the canonical body: equal for requests that differ only in spaces or in the order of their fields. */
export function fingerprintOf({ customerId, positions }: OrderRequest): Buffer {
  const canonical = JSON.stringify([customerId, positions.map(({ itemId, quantity }) => [itemId, quantity])]);
  return createHash("sha256").update(canonical).digest();
}
