import type { MigrationInterface, QueryRunner } from "typeorm";

/**
 * All tables. Rows that every order updates get room in their page (fillfactor), so that a new version of them stays
 * there and no index changes.
 */
export class Tables1795392000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE order_entry.warehouses (
        id                 integer CONSTRAINT warehouses_pkey PRIMARY KEY,
        name               varchar(10) NOT NULL,
        street_1           varchar(20) NOT NULL,
        street_2           varchar(20) NOT NULL,
        city               varchar(20) NOT NULL,
        state              char(2) NOT NULL,
        zip                char(9) NOT NULL,
        tax_basis_points   integer NOT NULL,
        year_to_date_cents bigint NOT NULL
      );

      CREATE TABLE order_entry.districts (
        warehouse_id       integer NOT NULL CONSTRAINT districts_warehouse REFERENCES order_entry.warehouses,
        id                 integer NOT NULL,
        name               varchar(10) NOT NULL,
        street_1           varchar(20) NOT NULL,
        street_2           varchar(20) NOT NULL,
        city               varchar(20) NOT NULL,
        state              char(2) NOT NULL,
        zip                char(9) NOT NULL,
        tax_basis_points   integer NOT NULL,
        year_to_date_cents bigint NOT NULL,
        next_order_number  integer NOT NULL,
        CONSTRAINT districts_pkey PRIMARY KEY (warehouse_id, id)
      ) WITH (fillfactor = 20);

      CREATE TABLE order_entry.customers (
        id                         integer CONSTRAINT customers_pkey PRIMARY KEY,
        warehouse_id               integer NOT NULL,
        district_id                integer NOT NULL,
        number                     integer NOT NULL,
        first_name                 varchar(16) NOT NULL,
        middle_name                char(2) NOT NULL,
        last_name                  varchar(16) NOT NULL,
        street_1                   varchar(20) NOT NULL,
        street_2                   varchar(20) NOT NULL,
        city                       varchar(20) NOT NULL,
        state                      char(2) NOT NULL,
        zip                        char(9) NOT NULL,
        phone                      char(16) NOT NULL,
        since                      timestamptz(3) NOT NULL,
        credit                     char(2) NOT NULL,
        credit_limit_cents         bigint NOT NULL,
        discount_basis_points      integer NOT NULL,
        balance_cents              bigint NOT NULL,
        year_to_date_payment_cents bigint NOT NULL,
        payment_count              integer NOT NULL,
        delivery_count             integer NOT NULL,
        data                       varchar(500) NOT NULL,
        CONSTRAINT customers_number UNIQUE (warehouse_id, district_id, number),
        CONSTRAINT customers_district FOREIGN KEY (warehouse_id, district_id) REFERENCES order_entry.districts
      );

      CREATE TABLE order_entry.items (
        id          integer CONSTRAINT items_pkey PRIMARY KEY,
        image_id    integer NOT NULL,
        name        varchar(24) NOT NULL,
        price_cents integer NOT NULL,
        data        varchar(50) NOT NULL
      );

      CREATE TABLE order_entry.stock (
        warehouse_id   integer NOT NULL CONSTRAINT stock_warehouse REFERENCES order_entry.warehouses,
        item_id        integer NOT NULL CONSTRAINT stock_item REFERENCES order_entry.items,
        quantity       integer NOT NULL CONSTRAINT stock_quantity CHECK (quantity BETWEEN 10 AND 100),
        year_to_date   integer NOT NULL,
        order_count    integer NOT NULL,
        remote_count   integer NOT NULL,
        data           varchar(50) NOT NULL,
        district_infos text[] NOT NULL,
        CONSTRAINT stock_pkey PRIMARY KEY (warehouse_id, item_id)
      ) WITH (fillfactor = 85);

      CREATE TABLE order_entry.orders (
        id             uuid CONSTRAINT orders_pkey PRIMARY KEY,
        warehouse_id   integer NOT NULL,
        district_id    integer NOT NULL,
        number         integer NOT NULL,
        customer_id    integer NOT NULL CONSTRAINT orders_customer REFERENCES order_entry.customers,
        placed_at      timestamptz(3) NOT NULL,
        carrier_id     integer,
        position_count integer NOT NULL,
        all_local      boolean NOT NULL,
        total_cents    integer NOT NULL,
        CONSTRAINT orders_number UNIQUE (warehouse_id, district_id, number)
      );
      CREATE INDEX orders_of_customer ON order_entry.orders (customer_id, id);

      CREATE TABLE order_entry.new_orders (
        warehouse_id integer NOT NULL,
        district_id  integer NOT NULL,
        number       integer NOT NULL,
        CONSTRAINT new_orders_pkey PRIMARY KEY (warehouse_id, district_id, number),
        CONSTRAINT new_orders_order FOREIGN KEY (warehouse_id, district_id, number)
          REFERENCES order_entry.orders (warehouse_id, district_id, number)
      );

      CREATE TABLE order_entry.order_positions (
        order_id            uuid NOT NULL CONSTRAINT order_positions_order REFERENCES order_entry.orders,
        number              integer NOT NULL,
        item_id             integer NOT NULL,
        supply_warehouse_id integer NOT NULL,
        delivered_at        timestamptz(3),
        quantity            integer NOT NULL,
        amount_cents        integer NOT NULL,
        district_info       char(24) NOT NULL,
        CONSTRAINT order_positions_pkey PRIMARY KEY (order_id, number),
        CONSTRAINT order_positions_stock FOREIGN KEY (supply_warehouse_id, item_id) REFERENCES order_entry.stock
      );

      CREATE TABLE order_entry.history (
        id           uuid CONSTRAINT history_pkey PRIMARY KEY,
        customer_id  integer NOT NULL CONSTRAINT history_customer REFERENCES order_entry.customers,
        warehouse_id integer NOT NULL,
        district_id  integer NOT NULL,
        paid_at      timestamptz(3) NOT NULL,
        amount_cents integer NOT NULL,
        data         varchar(24) NOT NULL,
        CONSTRAINT history_district FOREIGN KEY (warehouse_id, district_id) REFERENCES order_entry.districts
      );

      CREATE TABLE order_entry.idempotency (
        key         varchar(255) COLLATE "C" CONSTRAINT idempotency_pkey PRIMARY KEY,
        fingerprint bytea NOT NULL,
        order_id    uuid NOT NULL CONSTRAINT idempotency_order_id UNIQUE
                    CONSTRAINT idempotency_order REFERENCES order_entry.orders DEFERRABLE INITIALLY DEFERRED,
        used_at     timestamptz(3) NOT NULL
      );

      CREATE TABLE order_entry.first_data (
        id              integer CONSTRAINT first_data_pkey PRIMARY KEY CONSTRAINT first_data_one_row CHECK (id = 1),
        seed            bigint NOT NULL,
        density_percent integer NOT NULL,
        generated_at    timestamptz(3) NOT NULL
      );
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP TABLE order_entry.first_data, order_entry.idempotency, order_entry.history, order_entry.order_positions,
        order_entry.new_orders, order_entry.orders, order_entry.stock, order_entry.items, order_entry.customers,
        order_entry.districts, order_entry.warehouses;
    `);
  }
}
