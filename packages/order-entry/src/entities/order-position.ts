import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from "typeorm";
import { Order } from "./order.ts";
import { schemaName } from "./schema-name.ts";
import { Stock } from "./stock.ts";

@Entity({ schema: schemaName, name: "order_positions" })
export class OrderPosition {
  @PrimaryColumn("uuid", { name: "order_id", primaryKeyConstraintName: "order_positions_pkey" })
  orderId!: string;
  @PrimaryColumn("integer", { primaryKeyConstraintName: "order_positions_pkey" })
  number!: number;
  @Column("integer", { name: "item_id" })
  itemId!: number;
  @Column("integer", { name: "supply_warehouse_id" })
  supplyWarehouseId!: number;
  @Column("timestamp with time zone", { name: "delivered_at", precision: 3, nullable: true })
  deliveredAt!: Date | null;
  @Column("integer")
  quantity!: number;
  @Column("integer", { name: "amount_cents" })
  amountCents!: number;
  @Column("char", { name: "district_info", length: 24 })
  districtInfo!: string;

  @ManyToOne(() => Order, { nullable: false })
  @JoinColumn({ name: "order_id", foreignKeyConstraintName: "order_positions_order" })
  order?: Relation<Order>;
  @ManyToOne(() => Stock, { nullable: false })
  @JoinColumn([
    {
      name: "supply_warehouse_id",
      referencedColumnName: "warehouseId",
      foreignKeyConstraintName: "order_positions_stock",
    },
    { name: "item_id", referencedColumnName: "itemId", foreignKeyConstraintName: "order_positions_stock" },
  ])
  stock?: Relation<Stock>;
}
