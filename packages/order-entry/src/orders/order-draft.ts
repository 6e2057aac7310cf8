/** From what the database holds to what an order writes: prices, total, stock. Pure. */
import type { OrderRequest } from "./order.schema.ts";
import { takeFromStock, totalCents } from "./pricing.ts";

/** What an order needs to know, as it stands under lock. */
export interface OrderGround {
  readonly warehouseId: number;
  readonly districtId: number;
  readonly discountBasisPoints: number;
  /** Warehouse and district together. */
  readonly taxBasisPoints: number;
  readonly stock: ReadonlyMap<number, StockGround>;
}

export interface StockGround {
  readonly quantity: number;
  readonly priceCents: number;
  readonly districtInfo: string;
}

export interface StockChange {
  readonly itemId: number;
  readonly quantityAfter: number;
  readonly pieces: number;
  readonly positions: number;
}

export interface OrderDraft {
  readonly positions: readonly {
    readonly itemId: number;
    readonly quantity: number;
    readonly amountCents: number;
    readonly districtInfo: string;
  }[];
  readonly stockChanges: readonly StockChange[];
  readonly totalCents: number;
}

/** The draft, or the indexes of the positions whose items do not exist. */
export function draftOrder(
  request: OrderRequest,
  ground: OrderGround,
): { readonly draft: OrderDraft } | { readonly unknownItems: readonly number[] } {
  const unknownItems = request.positions.flatMap(({ itemId }, index) => (ground.stock.has(itemId) ? [] : [index]));
  if (unknownItems.length > 0) return { unknownItems };
  const changes = new Map<number, StockChange>();
  const positions = request.positions.map(({ itemId, quantity }) => {
    const { priceCents, districtInfo, quantity: inStock } = ground.stock.get(itemId)!;
    const before = changes.get(itemId) ?? { itemId, quantityAfter: inStock, pieces: 0, positions: 0 };
    changes.set(itemId, {
      itemId,
      quantityAfter: takeFromStock(before.quantityAfter, quantity),
      pieces: before.pieces + quantity,
      positions: before.positions + 1,
    });
    return { itemId, quantity, amountCents: priceCents * quantity, districtInfo };
  });
  const sumCents = positions.reduce((sum, { amountCents }) => sum + amountCents, 0);
  return {
    draft: {
      positions,
      stockChanges: [...changes.values()],
      totalCents: totalCents(sumCents, ground.discountBasisPoints, ground.taxBasisPoints),
    },
  };
}
