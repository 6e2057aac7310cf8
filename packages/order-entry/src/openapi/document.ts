/**
 * The OpenAPI 3.1 document. Every schema in it is made from the one that checks requests or describes answers, so the
 * two cannot differ; only the list of paths is written by hand.
 */
import { z } from "zod";
import { catalogueQuery, customer, item, stockEntry, stockQuery } from "../catalogue/catalogue.schema.ts";
import { job, jobAction, jobReference, jobRequest, jobsQuery } from "../jobs/job.schema.ts";
import { idempotencyKey } from "../http/idempotency-key.ts";
import { pageOf } from "../http/pagination.ts";
import { problem } from "../http/problem.ts";
import { ordersQuery } from "../orders/orders.controller.ts";
import { order, orderRequest } from "../orders/order.schema.ts";
import {
  exampleCustomer,
  exampleItem,
  exampleJob,
  exampleJobRequest,
  exampleKey,
  exampleOrder,
  exampleProblem,
  exampleRequest,
  exampleStock,
} from "./examples.ts";

type Json = Readonly<Record<string, unknown>>;

/** Rises when an answer loses a field or a request gains a required one. */
const apiVersion = "1.0.0";

const components = {
  Order: order,
  OrderPage: pageOf(order),
  OrderRequest: orderRequest,
  Customer: customer,
  CustomerPage: pageOf(customer),
  Item: item,
  ItemPage: pageOf(item),
  StockEntry: stockEntry,
  StockPage: pageOf(stockEntry),
  Job: job,
  JobPage: pageOf(job),
  JobRequest: jobRequest,
  JobReference: jobReference,
  JobAction: jobAction,
  Problem: problem,
} as const;
type ComponentName = keyof typeof components;

const reference = (name: ComponentName): Json => ({ $ref: `#/components/schemas/${name}` });

function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(components)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, target: "draft-2020-12" });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _dialect, $id: _id, ...schema }]) => [name, schema]),
  );
}

/** A schema that stands in one place only. `unrepresentable`: cursors are transformed and documented by their meta. */
function inlineSchema(schema: z.ZodType): Json {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { target: "draft-2020-12", unrepresentable: "any" });
  return json;
}

function queryParameters(query: z.ZodObject): Json[] {
  return Object.entries(query.shape).map(([name, schema]) => {
    const { description = "", ...json } = inlineSchema(schema as z.ZodType);
    return { name, in: "query", required: false, description, schema: json };
  });
}

const answer = (description: string, schema: ComponentName, example: unknown): Json => ({
  description,
  content: { "application/json": { schema: reference(schema), example } },
});
const problemAnswer = (description: string): Json => ({
  description,
  content: { "application/problem+json": { schema: reference("Problem") } },
});
const problems = {
  "400": {
    description: "The request is not valid; every fault is listed",
    content: { "application/problem+json": { schema: reference("Problem"), example: exampleProblem } },
  },
  "503": {
    ...problemAnswer("Not now: the database or this server is away. The same request may succeed later"),
    headers: { "Retry-After": { description: "Seconds", schema: { type: "integer" } } },
  },
};

const list = (operationId: string, summary: string, query: z.ZodObject, page: ComponentName, entry: unknown): Json => ({
  get: {
    operationId,
    summary,
    parameters: queryParameters(query),
    responses: { "200": answer("A page", page, { items: [entry], next: "NDI" }), ...problems },
  },
});

const placed = (description: string): Json => ({
  ...answer(description, "Order", exampleOrder),
  headers: { Location: { description: "Where the order can be read", schema: { type: "string" } } },
});

const jobId = { name: "id", in: "path", required: true, schema: { type: "string", format: "uuid" } };
const refusedJob = {
  "400": problems["400"],
  "404": problemAnswer("There is no such job"),
  "409": problemAnswer("The job is in a state in which that cannot be done"),
  "503": problems["503"],
};

const jobPaths: Json = {
  "/api/jobs": {
    ...list("listJobs", "Jobs, newest first", jobsQuery, "JobPage", exampleJob),
    post: {
      operationId: "enqueueJob",
      summary: "Enqueue a job",
      requestBody: {
        required: true,
        content: { "application/json": { schema: reference("JobRequest"), example: exampleJobRequest } },
      },
      responses: {
        "201": {
          ...answer("It is enqueued", "JobReference", { id: exampleJob.id }),
          headers: { Location: { description: "Where the job can be read", schema: { type: "string" } } },
        },
        "409": problemAnswer("A job with the unique key is there"),
        "413": problemAnswer("The payload is larger than its queue takes"),
        "422": problemAnswer("There is no such queue, or the payload is not what the type wants"),
        ...problems,
      },
    },
  },
  "/api/jobs/{id}": {
    get: {
      operationId: "readJob",
      summary: "One job",
      parameters: [jobId],
      responses: {
        "200": answer("The job", "Job", exampleJob),
        "404": problemAnswer("There is no such job"),
        "503": problems["503"],
      },
    },
  },
  "/api/jobs/{id}/restart": {
    post: {
      operationId: "restartJob",
      summary: "Run a failed, aborted, cancelled or parked job again, with all its attempts",
      parameters: [jobId],
      responses: { "200": answer("The job", "Job", exampleJob), ...refusedJob },
    },
  },
  "/api/jobs/{id}/cancel": {
    post: {
      operationId: "cancelJob",
      summary: "Cancel a job; one that runs is told, and is cancelled when its handler ends",
      parameters: [jobId],
      requestBody: { required: false, content: { "application/json": { schema: reference("JobAction") } } },
      responses: { "200": answer("The job", "Job", exampleJob), ...refusedJob },
    },
  },
};

export function openApiDocument(): Json {
  const orders = list("listOrders", "Orders, newest first", ordersQuery, "OrderPage", exampleOrder);
  return {
    openapi: "3.1.0",
    info: {
      title: "Understudy order entry",
      version: apiVersion,
      description:
        "A wholesale order entry, derived from TPC-C. All amounts of money are whole cents, all rates whole " +
        "ten-thousandths. Errors are RFC 9457 problems.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths: {
      "/api/customers": list("listCustomers", "Customers by id", catalogueQuery, "CustomerPage", exampleCustomer),
      "/api/items": list("listItems", "Items by id", catalogueQuery, "ItemPage", exampleItem),
      "/api/stock": list("listStock", "Stock by warehouse and item", stockQuery, "StockPage", exampleStock),
      "/api/orders": {
        ...orders,
        post: {
          operationId: "placeOrder",
          summary: "Place an order, exactly once for each Idempotency-Key",
          parameters: [
            {
              name: "Idempotency-Key",
              in: "header",
              required: true,
              schema: inlineSchema(idempotencyKey),
              example: exampleKey,
            },
          ],
          requestBody: {
            required: true,
            content: { "application/json": { schema: reference("OrderRequest"), example: exampleRequest } },
          },
          responses: {
            "201": placed("The order was placed"),
            "200": placed("The key was used before with the same body: the order that was placed then"),
            "409": problemAnswer("The key was used before with another body"),
            "413": problemAnswer("The body is too large"),
            "415": problemAnswer("The body is not JSON"),
            "422": problemAnswer("The customer or an item does not exist"),
            ...problems,
          },
        },
      },
      "/api/orders/{id}": {
        get: {
          operationId: "readOrder",
          summary: "One order",
          parameters: [{ name: "id", in: "path", required: true, schema: { type: "string", format: "uuid" } }],
          responses: {
            "200": answer("The order", "Order", exampleOrder),
            "404": problemAnswer("There is no such order"),
            "503": problems["503"],
          },
        },
      },
      ...jobPaths,
    },
    components: { schemas: componentSchemas() },
  };
}
