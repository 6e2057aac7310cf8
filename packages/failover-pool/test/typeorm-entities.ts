/** A small shop: orders and positions with ids made by the client, tickets with ids and times made by the database. */
import { EntitySchema, type MigrationInterface, type QueryRunner } from "typeorm";

export interface Order {
  id: string;
  note: string;
  positions?: Position[];
}
export interface Position {
  id: string;
  item: number;
  order?: Order;
}
export interface Account {
  id: number;
  balance: number;
}
export interface Ticket {
  id?: number;
  name: string;
  createdAt?: Date;
}

export const orders = new EntitySchema<Order>({
  name: "order",
  tableName: "orders",
  columns: { id: { type: "uuid", primary: true }, note: { type: "text" } },
  relations: { positions: { type: "one-to-many", target: "position", inverseSide: "order", cascade: true } },
});
export const positions = new EntitySchema<Position>({
  name: "position",
  tableName: "positions",
  columns: { id: { type: "uuid", primary: true }, item: { type: "int" } },
  relations: { order: { type: "many-to-one", target: "order", inverseSide: "positions", joinColumn: true } },
});
export const accounts = new EntitySchema<Account>({
  name: "account",
  tableName: "accounts",
  columns: { id: { type: "int", primary: true }, balance: { type: "int" } },
});
export const tickets = new EntitySchema<Ticket>({
  name: "ticket",
  tableName: "tickets",
  columns: {
    id: { type: "int", primary: true, generated: true },
    name: { type: "text" },
    createdAt: { type: "timestamptz", createDate: true },
  },
});

export class Tables implements MigrationInterface {
  readonly name = "Tables1700000000000";
  async up(runner: QueryRunner): Promise<void> {
    await runner.query("CREATE TABLE orders (id uuid PRIMARY KEY, note text NOT NULL)");
    await runner.query(
      `CREATE TABLE positions (id uuid PRIMARY KEY, item int NOT NULL, "orderId" uuid REFERENCES orders)`,
    );
    await runner.query("CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL)");
    await runner.query(
      `CREATE TABLE tickets (id serial PRIMARY KEY, name text NOT NULL, "createdAt" timestamptz NOT NULL DEFAULT now())`,
    );
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query("DROP TABLE tickets, accounts, positions, orders");
  }
}

export const entities = [orders, positions, accounts, tickets];
