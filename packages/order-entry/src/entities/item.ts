import { Column, Entity, PrimaryColumn } from "typeorm";
import { schemaName } from "./schema-name.ts";

@Entity({ schema: schemaName, name: "items" })
export class Item {
  @PrimaryColumn("integer", { primaryKeyConstraintName: "items_pkey" })
  id!: number;
  @Column("integer", { name: "image_id" })
  imageId!: number;
  @Column("varchar", { length: 24 })
  name!: string;
  @Column("integer", { name: "price_cents" })
  priceCents!: number;
  /** A tenth of the items carries "ORIGINAL" in here. */
  @Column("varchar", { length: 50 })
  data!: string;
}
