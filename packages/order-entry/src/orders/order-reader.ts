import { Inject, Injectable } from "@nestjs/common";
import { type EntityManager, type FindOptionsWhere, In, LessThan } from "typeorm";
import { OrderDatabase } from "../database/order-database.ts";
import { Idempotency } from "../entities/idempotency.ts";
import { OrderPosition } from "../entities/order-position.ts";
import { Order } from "../entities/order.ts";
import { type Page, toPage } from "../http/pagination.ts";
import type { OrderView } from "./order.schema.ts";

export interface OrderFilter {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly customerId?: number | undefined;
}

/** What became of an Idempotency-Key. */
export interface UsedKey {
  readonly fingerprint: Buffer;
  readonly order: OrderView;
}

@Injectable()
export class OrderReader {
  constructor(@Inject(OrderDatabase) private readonly database: OrderDatabase) {}

  byId(id: string): Promise<OrderView | undefined> {
    return this.database.read(async (manager) => (await viewsOf(manager, { id }, 1))[0]);
  }

  byKey(key: string): Promise<UsedKey | undefined> {
    return this.database.read(async (manager) => {
      const used = await manager.findOneBy(Idempotency, { key });
      const [order] = used === null ? [] : await viewsOf(manager, { id: used.orderId }, 1);
      return used !== null && order !== undefined ? { fingerprint: used.fingerprint, order } : undefined;
    });
  }

  /** Newest first. */
  list({ limit, after, customerId }: OrderFilter): Promise<Page<OrderView>> {
    return this.database.read(async (manager) => {
      const where = {
        ...(after !== undefined && { id: LessThan(after) }),
        ...(customerId !== undefined && { customerId }),
      };
      const found = await viewsOf(manager, where, limit + 1);
      return toPage(
        found,
        limit,
        ({ id }) => id,
        (view) => view,
      );
    });
  }
}

async function viewsOf(manager: EntityManager, where: FindOptionsWhere<Order>, take: number): Promise<OrderView[]> {
  const orders = await manager.find(Order, { where, order: { id: "DESC" }, take });
  const positions = await manager.find(OrderPosition, {
    where: { orderId: In(orders.map(({ id }) => id)) },
    order: { number: "ASC" },
  });
  const byOrder = new Map<string, OrderPosition[]>(orders.map(({ id }) => [id, []]));
  for (const position of positions) byOrder.get(position.orderId)?.push(position);
  return orders.map((order) => ({
    id: order.id,
    number: order.number,
    customerId: order.customerId,
    warehouseId: order.warehouseId,
    districtId: order.districtId,
    placedAt: order.placedAt.toISOString(),
    positions: (byOrder.get(order.id) ?? []).map(({ itemId, quantity, amountCents }) => ({
      itemId,
      quantity,
      amount: amountCents,
    })),
    total: order.totalCents,
  }));
}
