import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation, Unique } from "typeorm";
import { Order } from "./order.ts";
import { schemaName } from "./schema-name.ts";

/**
 * One row per used Idempotency-Key, written in the order's own transaction: the key is taken exactly when the order is
 * there. Kept as long as the order.
 */
@Entity({ schema: schemaName, name: "idempotency" })
@Unique("idempotency_order_id", ["orderId"])
export class Idempotency {
  @PrimaryColumn("varchar", { length: 255, collation: "C", primaryKeyConstraintName: "idempotency_pkey" })
  key!: string;
  /** SHA-256 of the canonical body. */
  @Column("bytea")
  fingerprint!: Buffer;
  @Column("uuid", { name: "order_id" })
  orderId!: string;
  @Column("timestamp with time zone", { name: "used_at", precision: 3 })
  usedAt!: Date;

  // Deferred: the key is claimed before the order is written.
  @ManyToOne(() => Order, { nullable: false, deferrable: "INITIALLY DEFERRED" })
  @JoinColumn({ name: "order_id", foreignKeyConstraintName: "idempotency_order" })
  order?: Relation<Order>;
}
