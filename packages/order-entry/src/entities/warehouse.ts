import { Column, Entity, PrimaryColumn } from "typeorm";
import { bigintAsNumber } from "./bigint-as-number.ts";
import { schemaName } from "./schema-name.ts";

@Entity({ schema: schemaName, name: "warehouses" })
export class Warehouse {
  @PrimaryColumn("integer", { primaryKeyConstraintName: "warehouses_pkey" })
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
  /** Ten-thousandths: 1,250 is 12.5%. */
  @Column("integer", { name: "tax_basis_points" })
  taxBasisPoints!: number;
  @Column("bigint", { name: "year_to_date_cents", transformer: bigintAsNumber })
  yearToDateCents!: number;
}
