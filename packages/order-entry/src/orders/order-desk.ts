/**
 * Takes orders: TPC-C's New-Order (clause 2.4.2.2) under an Idempotency-Key.
 *
 * A key is used exactly when its order is there, since both are written by one transaction. Two requests with one key at
 * once: the second waits at the key's unique index until the first has ended, then either finds its order or takes its
 * place. A client whose answer was lost repeats and gets the same order.
 */
import { Inject, Injectable } from "@nestjs/common";
import { OperationalError } from "@understudy/runtime";
import { uuidv7 } from "uuidv7";
import { type Decision, OrderDatabase } from "../database/order-database.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { draftOrder } from "./order-draft.ts";
import { OrderReader } from "./order-reader.ts";
import { type Claim, claimOrder, writeOrder } from "./order-statements.ts";
import type { OrderRequest, OrderView } from "./order.schema.ts";

export type Placement =
  | { readonly kind: "placed"; readonly order: OrderView }
  | { readonly kind: "repeated"; readonly order: OrderView }
  /** The key was used with another body. */
  | { readonly kind: "key-conflict" }
  | { readonly kind: "unknown-customer" }
  | { readonly kind: "unknown-items"; readonly positions: readonly number[] };

type Attempt = Placement | { readonly kind: "key-taken" };

@Injectable()
export class OrderDesk {
  constructor(
    @Inject(OrderDatabase) private readonly database: OrderDatabase,
    @Inject(OrderReader) private readonly reader: OrderReader,
  ) {}

  async place(key: string, request: OrderRequest): Promise<Placement> {
    const fingerprint = fingerprintOf(request);
    const claim: Claim = {
      key,
      fingerprint,
      orderId: uuidv7(),
      placedAt: new Date(),
      customerId: request.customerId,
      itemIds: [...new Set(request.positions.map(({ itemId }) => itemId))],
    };
    const attempt = await this.#attempt(claim, request);
    if (attempt.kind !== "key-taken") return attempt;
    const used = await this.reader.byKey(key);
    // Whoever had the key has committed, and orders are not deleted: this is another database than a moment ago.
    if (used === undefined) throw new OperationalError("database-unavailable", "The database is being changed over.");
    if (!used.fingerprint.equals(fingerprint)) return { kind: "key-conflict" };
    // Our own, when the answer of our COMMIT was lost and the transaction repeated.
    return { kind: used.order.id === claim.orderId ? "placed" : "repeated", order: used.order };
  }

  #attempt(claim: Claim, request: OrderRequest): Promise<Attempt> {
    return this.database.transaction<Attempt>(async (client): Promise<Decision<Attempt>> => {
      const claimed = await claimOrder(client, claim);
      if (claimed.kind !== "claimed") return { commit: false, value: claimed };
      const { ground } = claimed;
      const drafted = draftOrder(request, ground);
      if ("unknownItems" in drafted) {
        return { commit: false, value: { kind: "unknown-items", positions: drafted.unknownItems } };
      }
      const { draft } = drafted;
      const number = await writeOrder(client, claim, ground, draft);
      const order: OrderView = {
        id: claim.orderId,
        number,
        customerId: claim.customerId,
        warehouseId: ground.warehouseId,
        districtId: ground.districtId,
        placedAt: claim.placedAt.toISOString(),
        positions: draft.positions.map(({ itemId, quantity, amountCents }) => ({
          itemId,
          quantity,
          amount: amountCents,
        })),
        total: draft.totalCents,
      };
      return { commit: true, value: { kind: "placed", order } };
    });
  }
}
