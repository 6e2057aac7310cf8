import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from "typeorm";
import { Customer } from "./customer.ts";
import { District } from "./district.ts";
import { schemaName } from "./schema-name.ts";

/** TPC-C's HISTORY: what customers paid, in which district. */
@Entity({ schema: schemaName, name: "history" })
export class Payment {
  @PrimaryColumn("uuid", { primaryKeyConstraintName: "history_pkey" })
  id!: string;
  @Column("integer", { name: "customer_id" })
  customerId!: number;
  @Column("integer", { name: "warehouse_id" })
  warehouseId!: number;
  @Column("integer", { name: "district_id" })
  districtId!: number;
  @Column("timestamp with time zone", { name: "paid_at", precision: 3 })
  paidAt!: Date;
  @Column("integer", { name: "amount_cents" })
  amountCents!: number;
  @Column("varchar", { length: 24 })
  data!: string;

  @ManyToOne(() => Customer, { nullable: false })
  @JoinColumn({ name: "customer_id", foreignKeyConstraintName: "history_customer" })
  customer?: Relation<Customer>;
  @ManyToOne(() => District, { nullable: false })
  @JoinColumn([
    { name: "warehouse_id", referencedColumnName: "warehouseId", foreignKeyConstraintName: "history_district" },
    { name: "district_id", referencedColumnName: "id", foreignKeyConstraintName: "history_district" },
  ])
  district?: Relation<District>;
}
