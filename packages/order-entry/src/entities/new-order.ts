import { Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from "typeorm";
import { Order } from "./order.ts";
import { schemaName } from "./schema-name.ts";

/** An order that is not delivered yet. */
@Entity({ schema: schemaName, name: "new_orders" })
export class NewOrder {
  @PrimaryColumn("integer", { name: "warehouse_id", primaryKeyConstraintName: "new_orders_pkey" })
  warehouseId!: number;
  @PrimaryColumn("integer", { name: "district_id", primaryKeyConstraintName: "new_orders_pkey" })
  districtId!: number;
  @PrimaryColumn("integer", { primaryKeyConstraintName: "new_orders_pkey" })
  number!: number;

  @ManyToOne(() => Order, { nullable: false })
  @JoinColumn([
    { name: "warehouse_id", referencedColumnName: "warehouseId", foreignKeyConstraintName: "new_orders_order" },
    { name: "district_id", referencedColumnName: "districtId", foreignKeyConstraintName: "new_orders_order" },
    { name: "number", referencedColumnName: "number", foreignKeyConstraintName: "new_orders_order" },
  ])
  order?: Relation<Order>;
}
