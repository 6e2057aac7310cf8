import { z } from "zod";
import { identifier } from "../http/pagination.ts";
import { mostPieces } from "./pricing.ts";

/** TPC-C's orders have 5 to 15. */
const mostPositions = 15;

export const orderRequest = z
  .strictObject(
    {
      customerId: identifier,
      positions: z
        .array(
          z.strictObject(
            {
              itemId: identifier,
              quantity: z
                .int("must be a whole number")
                .min(1, `must be 1 to ${mostPieces}`)
                .max(mostPieces, `must be 1 to ${mostPieces}`),
            },
            { error: (issue) => (issue.code === "invalid_type" ? "must be an object" : undefined) },
          ),
          "must be a list",
        )
        .min(1, `an order has 1 to ${mostPositions} positions`)
        .max(mostPositions, `an order has 1 to ${mostPositions} positions`)
        .describe("An item may appear several times"),
    },
    { error: (issue) => (issue.code === "invalid_type" ? "must be a JSON object" : undefined) },
  )
  .describe("What a customer orders");
export type OrderRequest = z.infer<typeof orderRequest>;

export const order = z
  .object({
    id: z.uuid().describe("UUIDv7"),
    number: z.int().describe("Runs within the district of the customer, without gaps"),
    customerId: z.int(),
    warehouseId: z.int(),
    districtId: z.int(),
    placedAt: z.iso.datetime(),
    positions: z.array(
      z.object({
        itemId: z.int(),
        quantity: z.int(),
        amount: z.int().describe("Price times quantity, cents"),
      }),
    ),
    total: z.int().describe("With discount and taxes, cents"),
  })
  .describe("An order as it was placed");
export type OrderView = z.infer<typeof order>;
