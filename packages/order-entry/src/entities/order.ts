import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation, Unique } from "typeorm";
import { Customer } from "./customer.ts";
import { schemaName } from "./schema-name.ts";

@Entity({ schema: schemaName, name: "orders" })
@Unique("orders_number", ["warehouseId", "districtId", "number"])
@Index("orders_of_customer", ["customerId", "id"])
export class Order {
  /** UUIDv7 made by the application, so that a repeated transaction writes the same row. */
  @PrimaryColumn("uuid", { primaryKeyConstraintName: "orders_pkey" })
  id!: string;
  @Column("integer", { name: "warehouse_id" })
  warehouseId!: number;
  @Column("integer", { name: "district_id" })
  districtId!: number;
  /** Runs within the district, without gaps. */
  @Column("integer")
  number!: number;
  @Column("integer", { name: "customer_id" })
  customerId!: number;
  @Column("timestamp with time zone", { name: "placed_at", precision: 3 })
  placedAt!: Date;
  /** Absent until delivered. */
  @Column("integer", { name: "carrier_id", nullable: true })
  carrierId!: number | null;
  @Column("integer", { name: "position_count" })
  positionCount!: number;
  @Column("boolean", { name: "all_local" })
  allLocal!: boolean;
  /** As told to the customer; not in TPC-C, which computes it for the screen only. */
  @Column("integer", { name: "total_cents" })
  totalCents!: number;

  @ManyToOne(() => Customer, { nullable: false })
  @JoinColumn({ name: "customer_id", foreignKeyConstraintName: "orders_customer" })
  customer?: Relation<Customer>;
}
