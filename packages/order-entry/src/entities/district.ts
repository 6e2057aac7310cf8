import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from "typeorm";
import { bigintAsNumber } from "./bigint-as-number.ts";
import { schemaName } from "./schema-name.ts";
import { Warehouse } from "./warehouse.ts";

/** Ten per warehouse. Hands out the running numbers of its orders. */
@Entity({ schema: schemaName, name: "districts" })
export class District {
  @PrimaryColumn("integer", { name: "warehouse_id", primaryKeyConstraintName: "districts_pkey" })
  warehouseId!: number;
  @PrimaryColumn("integer", { primaryKeyConstraintName: "districts_pkey" })
  id!: number;
  @Column("varchar", { length: 10 })
  name!: string;
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
  @Column("integer", { name: "tax_basis_points" })
  taxBasisPoints!: number;
  @Column("bigint", { name: "year_to_date_cents", transformer: bigintAsNumber })
  yearToDateCents!: number;
  /** The number of the next order: read and raised under this row's lock. */
  @Column("integer", { name: "next_order_number" })
  nextOrderNumber!: number;

  @ManyToOne(() => Warehouse, { nullable: false })
  @JoinColumn({ name: "warehouse_id", foreignKeyConstraintName: "districts_warehouse" })
  warehouse?: Relation<Warehouse>;
}
