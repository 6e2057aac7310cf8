/** Shown in the OpenAPI document. A test checks each against its schema. */
import type { CustomerView, ItemView, StockView } from "../catalogue/catalogue.schema.ts";
import type { JobView } from "@understudy/contracts";
import type { JobRequest } from "../jobs/job.schema.ts";
import type { Problem } from "../http/problem.ts";
import type { OrderRequest, OrderView } from "../orders/order.schema.ts";

export const exampleKey = "01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10";

export const exampleRequest: OrderRequest = {
  customerId: 42,
  positions: [
    { itemId: 7, quantity: 3 },
    { itemId: 1_204, quantity: 10 },
  ],
};

export const exampleOrder: OrderView = {
  id: "01980f2e-7a56-7b11-8c5d-2d1f0b9f3e77",
  number: 151,
  customerId: 42,
  warehouseId: 1,
  districtId: 1,
  placedAt: "2026-11-23T09:30:00.000Z",
  positions: [
    { itemId: 7, quantity: 3, amount: 12_450 },
    { itemId: 1_204, quantity: 10, amount: 68_900 },
  ],
  total: 79_321,
};

export const exampleCustomer: CustomerView = {
  id: 42,
  warehouseId: 1,
  districtId: 1,
  number: 42,
  firstName: "Xh2kQpLw9a",
  middleName: "OE",
  lastName: "BARPRESOUGHT",
  street1: "b7Yt0cVr4nMz",
  street2: "Qe5sJf8uKdWx1",
  city: "nP3vGh6tRaLo",
  state: "QX",
  zip: "482911111",
  phone: "0391827465019283",
  since: "2026-01-01T00:00:00.000Z",
  credit: "GC",
  creditLimit: 5_000_000,
  discountBasisPoints: 1_250,
  balance: -1_000,
};

export const exampleItem: ItemView = { id: 7, name: "kT8vRw2mZqLp5xYb", price: 4_150 };

export const exampleStock: StockView = { id: "1-7", warehouseId: 1, itemId: 7, quantity: 57, sold: 34, orderCount: 9 };

export const exampleProblem: Problem = {
  type: "urn:understudy:problem:bad-request",
  title: "Bad Request",
  status: 400,
  detail: "The request is not valid: /positions/0/quantity must be 1 to 91.",
  retryable: false,
  errors: [{ field: "/positions/0/quantity", message: "must be 1 to 91" }],
};

export const exampleJobRequest: JobRequest = { queue: "MASSJOBS", type: "orders.deliver", payload: { batches: 5 } };

export const exampleJob: JobView = {
  id: "01980f2e-7a58-7d20-9b6a-54c9a3b1c0de",
  queue: "MASSJOBS",
  type: "orders.deliver",
  state: "running",
  attempts: 1,
  appServer: "app-server-b",
  incarnation: "01980f2e-7a58-7d20-9b6a-54c9a3b1c0df",
  progress: { warehouse: 1, of: 1, delivered: 30 },
  payload: { batches: 5, carrierId: 1 },
  priority: 0,
  restartable: true,
  enqueuedAt: "2026-11-23T09:30:00.000Z",
  startedAt: "2026-11-23T09:30:00.004Z",
};
