import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Res } from "@nestjs/common";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { idempotencyKey } from "../http/idempotency-key.ts";
import { afterParameter, identifierParameter, limitParameter, type Page } from "../http/pagination.ts";
import { RequestError } from "../http/request-error.ts";
import { checkBody, invalidRequest, parseQuery } from "../http/validation.ts";
import { OrderDesk, type Placement } from "./order-desk.ts";
import { OrderReader } from "./order-reader.ts";
import { orderRequest, type OrderView } from "./order.schema.ts";

export const ordersQuery = z.strictObject({
  limit: limitParameter,
  after: afterParameter(z.uuid()),
  customerId: identifierParameter.optional().describe("Only orders of this customer"),
  key: idempotencyKey.optional().describe("Only the order that was placed under this Idempotency-Key"),
});

@Controller("api/orders")
export class OrdersController {
  constructor(
    @Inject(OrderDesk) private readonly desk: OrderDesk,
    @Inject(OrderReader) private readonly reader: OrderReader,
  ) {}

  @Post()
  async place(
    @Headers() headers: Readonly<Record<string, string | undefined>>,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrderView> {
    requireJson(headers["content-type"]);
    const key = idempotencyKey.safeParse(headers["idempotency-key"]);
    const request = checkBody(orderRequest, body);
    const keyFaults = (key.error?.issues ?? []).map(({ message }) => ({ field: "Idempotency-Key", message }));
    if (!key.success || "faults" in request) {
      throw invalidRequest([...keyFaults, ...("faults" in request ? request.faults : [])]);
    }
    const placement = await this.desk.place(key.data, request.value);
    if (placement.kind !== "placed" && placement.kind !== "repeated") throw refusalOf(placement);
    void reply.status(placement.kind === "placed" ? 201 : 200).header("location", `/api/orders/${placement.order.id}`);
    return placement.order;
  }

  @Get()
  async list(@Query() query: unknown): Promise<Page<OrderView>> {
    const { key, ...filter } = parseQuery(ordersQuery, query);
    if (key === undefined) return this.reader.list(filter);
    const used = await this.reader.byKey(key);
    const isAskedFor =
      used !== undefined && (filter.customerId === undefined || filter.customerId === used.order.customerId);
    return { items: isAskedFor ? [used.order] : [] };
  }

  @Get(":id")
  async read(@Param("id") id: string): Promise<OrderView> {
    const found = z.uuid().safeParse(id).success ? await this.reader.byId(id) : undefined;
    if (found === undefined) throw new RequestError(404, `There is no order ${id}.`);
    return found;
  }
}

/** Nest parses forms as well, and Fastify plain text. */
function requireJson(contentType: string | undefined): void {
  if (/^application\/(?:json|[\w.-]+\+json)\s*(?:;|$)/i.test(contentType ?? "")) return;
  throw new RequestError(415, "The body must be JSON: send it with Content-Type: application/json.");
}

function refusalOf(placement: Exclude<Placement, { kind: "placed" | "repeated" }>): RequestError {
  switch (placement.kind) {
    case "key-conflict":
      return new RequestError(
        409,
        "The Idempotency-Key was used before with another body. Take a new key for a new order.",
        [{ field: "Idempotency-Key", message: "was used before with another body" }],
      );
    case "unknown-customer":
      return new RequestError(422, "There is no such customer.", [
        { field: "/customerId", message: "there is no such customer" },
      ]);
    case "unknown-items":
      return new RequestError(
        422,
        "The order names items that do not exist.",
        placement.positions.map((index) => ({ field: `/positions/${index}/itemId`, message: "there is no such item" })),
      );
  }
}
