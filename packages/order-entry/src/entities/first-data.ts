import { Check, Column, Entity, PrimaryColumn } from "typeorm";
import { bigintAsNumber } from "./bigint-as-number.ts";
import { schemaName } from "./schema-name.ts";

/** How the data were generated (one row), so that warehouses added later fit to those that are there. */
@Entity({ schema: schemaName, name: "first_data" })
@Check("first_data_one_row", "id = 1")
export class FirstData {
  @PrimaryColumn("integer", { primaryKeyConstraintName: "first_data_pkey" })
  id!: number;
  @Column("bigint", { transformer: bigintAsNumber })
  seed!: number;
  @Column("integer", { name: "density_percent" })
  densityPercent!: number;
  @Column("timestamp with time zone", { name: "generated_at", precision: 3 })
  generatedAt!: Date;
}
