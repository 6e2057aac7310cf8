import type { MigrationInterface, QueryRunner } from "typeorm";

/** What jobs and services of the order entry leave: confirmations to be sent, reports, what is low, who watched. */
export class BackgroundWork1795478400000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE order_entry.outbox (
        order_id   uuid NOT NULL CONSTRAINT outbox_order REFERENCES order_entry.orders,
        kind       varchar(40) NOT NULL,
        body       jsonb NOT NULL,
        created_at timestamptz(3) NOT NULL,
        sent_at    timestamptz(3),
        CONSTRAINT outbox_pkey PRIMARY KEY (order_id, kind)
      );

      CREATE TABLE order_entry.stock_reports (
        day          date NOT NULL,
        warehouse_id integer NOT NULL CONSTRAINT stock_reports_warehouse REFERENCES order_entry.warehouses,
        items        integer NOT NULL,
        pieces       bigint NOT NULL,
        value_cents  bigint NOT NULL,
        low_items    integer NOT NULL,
        made_at      timestamptz(3) NOT NULL,
        CONSTRAINT stock_reports_pkey PRIMARY KEY (day, warehouse_id)
      );

      CREATE TABLE order_entry.stock_alerts (
        warehouse_id integer NOT NULL,
        item_id      integer NOT NULL,
        quantity     integer NOT NULL,
        since        timestamptz(3) NOT NULL,
        CONSTRAINT stock_alerts_pkey PRIMARY KEY (warehouse_id, item_id),
        CONSTRAINT stock_alerts_stock FOREIGN KEY (warehouse_id, item_id) REFERENCES order_entry.stock
      );

      CREATE TABLE order_entry.stock_watches (
        id          uuid CONSTRAINT stock_watches_pkey PRIMARY KEY,
        term        bigint NOT NULL,
        incarnation uuid NOT NULL,
        watched_at  timestamptz(3) NOT NULL
      );
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP TABLE order_entry.outbox, order_entry.stock_reports, order_entry.stock_alerts, order_entry.stock_watches;
    `);
  }
}
