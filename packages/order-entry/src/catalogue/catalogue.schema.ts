import { z } from "zod";
import { afterParameter, identifier, identifierParameter, limitParameter } from "../http/pagination.ts";

export const customer = z
  .object({
    id: z.int(),
    warehouseId: z.int(),
    districtId: z.int(),
    number: z.int().describe("Within the district"),
    firstName: z.string(),
    middleName: z.string(),
    lastName: z.string(),
    street1: z.string(),
    street2: z.string(),
    city: z.string(),
    state: z.string(),
    zip: z.string(),
    phone: z.string(),
    since: z.iso.datetime(),
    credit: z.enum(["GC", "BC"]).describe("Good or bad credit"),
    creditLimit: z.int().describe("Cents"),
    discountBasisPoints: z.int().describe("Ten-thousandths: 1250 is 12.5%"),
    balance: z.int().describe("Cents"),
  })
  .describe("A customer");
export type CustomerView = z.infer<typeof customer>;

export const item = z.object({ id: z.int(), name: z.string(), price: z.int().describe("Cents") }).describe("An item");
export type ItemView = z.infer<typeof item>;

export const stockEntry = z
  .object({
    id: z.string().describe("<warehouseId>-<itemId>"),
    warehouseId: z.int(),
    itemId: z.int(),
    quantity: z.int().describe("Pieces there now"),
    sold: z.int().describe("Pieces sold through orders"),
    orderCount: z.int().describe("Order positions that took from it"),
  })
  .describe("How much of an item a warehouse has");
export type StockView = z.infer<typeof stockEntry>;

export const catalogueQuery = z.strictObject({ limit: limitParameter, after: afterParameter(identifier) });
export const stockQuery = z.strictObject({
  limit: limitParameter,
  after: afterParameter(z.tuple([identifier, identifier])),
  itemId: identifierParameter.optional().describe("Only this item"),
  warehouseId: identifierParameter.optional().describe("Only this warehouse"),
});
