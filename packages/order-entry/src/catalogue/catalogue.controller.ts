import { Controller, Get, Inject, Query } from "@nestjs/common";
import { MoreThan } from "typeorm";
import { OrderDatabase } from "../database/order-database.ts";
import { Customer } from "../entities/customer.ts";
import { Item } from "../entities/item.ts";
import { Stock } from "../entities/stock.ts";
import { type Page, toPage } from "../http/pagination.ts";
import { parseQuery } from "../http/validation.ts";
import { catalogueQuery, type CustomerView, type ItemView, stockQuery, type StockView } from "./catalogue.schema.ts";

/** Lists of what can be ordered, by whom, and how much of it is there. */
@Controller("api")
export class CatalogueController {
  constructor(@Inject(OrderDatabase) private readonly database: OrderDatabase) {}

  @Get("customers")
  async customers(@Query() query: unknown): Promise<Page<CustomerView>> {
    const { limit, after = 0 } = parseQuery(catalogueQuery, query);
    const found = await this.database.read((manager) =>
      manager.find(Customer, { where: { id: MoreThan(after) }, order: { id: "ASC" }, take: limit + 1 }),
    );
    return toPage(found, limit, ({ id }) => id, customerView);
  }

  @Get("items")
  async items(@Query() query: unknown): Promise<Page<ItemView>> {
    const { limit, after = 0 } = parseQuery(catalogueQuery, query);
    const found = await this.database.read((manager) =>
      manager.find(Item, { where: { id: MoreThan(after) }, order: { id: "ASC" }, take: limit + 1 }),
    );
    return toPage(
      found,
      limit,
      ({ id }) => id,
      ({ id, name, priceCents }) => ({ id, name, price: priceCents }),
    );
  }

  @Get("stock")
  async stock(@Query() query: unknown): Promise<Page<StockView>> {
    const { limit, after, itemId, warehouseId } = parseQuery(stockQuery, query);
    const found = await this.database.read((manager) => {
      const select = manager
        .createQueryBuilder(Stock, "stock")
        .orderBy("stock.warehouseId")
        .addOrderBy("stock.itemId")
        .limit(limit + 1);
      if (itemId !== undefined) select.andWhere("stock.itemId = :itemId", { itemId });
      if (warehouseId !== undefined) select.andWhere("stock.warehouseId = :warehouseId", { warehouseId });
      if (after !== undefined) {
        const [lastWarehouse, lastItem] = after;
        select.andWhere("(stock.warehouseId, stock.itemId) > (:lastWarehouse, :lastItem)", { lastWarehouse, lastItem });
      }
      return select.getMany();
    });
    return toPage(found, limit, (last) => [last.warehouseId, last.itemId], stockView);
  }
}

const customerView = (row: Customer): CustomerView => ({
  id: row.id,
  warehouseId: row.warehouseId,
  districtId: row.districtId,
  number: row.number,
  firstName: row.firstName,
  middleName: row.middleName,
  lastName: row.lastName,
  street1: row.street1,
  street2: row.street2,
  city: row.city,
  state: row.state,
  zip: row.zip,
  phone: row.phone,
  since: row.since.toISOString(),
  credit: row.credit === "BC" ? "BC" : "GC",
  creditLimit: row.creditLimitCents,
  discountBasisPoints: row.discountBasisPoints,
  balance: row.balanceCents,
});

const stockView = (row: Stock): StockView => ({
  id: `${row.warehouseId}-${row.itemId}`,
  warehouseId: row.warehouseId,
  itemId: row.itemId,
  quantity: row.quantity,
  sold: row.yearToDate,
  orderCount: row.orderCount,
});
