import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation, Unique } from "typeorm";
import { bigintAsNumber } from "./bigint-as-number.ts";
import { District } from "./district.ts";
import { schemaName } from "./schema-name.ts";

/** TPC-C's key is (warehouse, district, number); `id` is one number for all three, so that a URL can carry it. */
@Entity({ schema: schemaName, name: "customers" })
@Unique("customers_number", ["warehouseId", "districtId", "number"])
export class Customer {
  @PrimaryColumn("integer", { primaryKeyConstraintName: "customers_pkey" })
  id!: number;
  @Column("integer", { name: "warehouse_id" })
  warehouseId!: number;
  @Column("integer", { name: "district_id" })
  districtId!: number;
  @Column("integer")
  number!: number;
  @Column("varchar", { name: "first_name", length: 16 })
  firstName!: string;
  @Column("char", { name: "middle_name", length: 2 })
  middleName!: string;
  @Column("varchar", { name: "last_name", length: 16 })
  lastName!: string;
  @Column("varchar", { name: "street_1", length: 20 })
  street1!: string;
  @Column("varchar", { name: "street_2", length: 20 })
  street2!: string;
  @Column("varchar", { length: 20 })
  city!: string;
  @Column("char", { length: 2 })
  state!: string;
  @Column("char", { length: 9 })
  zip!: string;
  @Column("char", { length: 16 })
  phone!: string;
  @Column("timestamp with time zone", { precision: 3 })
  since!: Date;
  /** GC: good credit, BC: bad credit. */
  @Column("char", { length: 2 })
  credit!: string;
  @Column("bigint", { name: "credit_limit_cents", transformer: bigintAsNumber })
  creditLimitCents!: number;
  @Column("integer", { name: "discount_basis_points" })
  discountBasisPoints!: number;
  @Column("bigint", { name: "balance_cents", transformer: bigintAsNumber })
  balanceCents!: number;
  @Column("bigint", { name: "year_to_date_payment_cents", transformer: bigintAsNumber })
  yearToDatePaymentCents!: number;
  @Column("integer", { name: "payment_count" })
  paymentCount!: number;
  @Column("integer", { name: "delivery_count" })
  deliveryCount!: number;
  @Column("varchar", { length: 500 })
  data!: string;

  @ManyToOne(() => District, { nullable: false })
  @JoinColumn([
    { name: "warehouse_id", referencedColumnName: "warehouseId", foreignKeyConstraintName: "customers_district" },
    { name: "district_id", referencedColumnName: "id", foreignKeyConstraintName: "customers_district" },
  ])
  district?: Relation<District>;
}
