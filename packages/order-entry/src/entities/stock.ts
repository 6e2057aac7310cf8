import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from "typeorm";
import { Item } from "./item.ts";
import { schemaName } from "./schema-name.ts";
import { Warehouse } from "./warehouse.ts";

/** How much of an item a warehouse has. 10 to 100: the rule of `takeFromStock` never leaves that range. */
@Entity({ schema: schemaName, name: "stock" })
@Check("stock_quantity", "quantity BETWEEN 10 AND 100")
export class Stock {
  @PrimaryColumn("integer", { name: "warehouse_id", primaryKeyConstraintName: "stock_pkey" })
  warehouseId!: number;
  @PrimaryColumn("integer", { name: "item_id", primaryKeyConstraintName: "stock_pkey" })
  itemId!: number;
  @Column("integer")
  quantity!: number;
  /** Pieces sold through orders that this application took. */
  @Column("integer", { name: "year_to_date" })
  yearToDate!: number;
  /** Positions of those orders. */
  @Column("integer", { name: "order_count" })
  orderCount!: number;
  @Column("integer", { name: "remote_count" })
  remoteCount!: number;
  @Column("varchar", { length: 50 })
  data!: string;
  /** One text per district, printed on its order positions. */
  @Column("text", { name: "district_infos", array: true })
  districtInfos!: string[];

  @ManyToOne(() => Warehouse, { nullable: false })
  @JoinColumn({ name: "warehouse_id", foreignKeyConstraintName: "stock_warehouse" })
  warehouse?: Relation<Warehouse>;
  @ManyToOne(() => Item, { nullable: false })
  @JoinColumn({ name: "item_id", foreignKeyConstraintName: "stock_item" })
  item?: Relation<Item>;
}
