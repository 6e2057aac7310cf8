import "reflect-metadata";

export { application } from "./application.ts";
export type { CustomerView, ItemView, StockView } from "./catalogue/catalogue.schema.ts";
export type { Problem } from "./http/problem.ts";
export type { OrderRequest, OrderView } from "./orders/order.schema.ts";
