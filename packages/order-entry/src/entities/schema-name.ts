/** Everything of this application stands in one schema of the cluster's database. */
export const schemaName = "order_entry";
