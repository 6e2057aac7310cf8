/** Imports run one way: contracts, runtime <- other packages <- apps <- infra. No cycles. */
export default {
  forbidden: [
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "contracts-stand-alone",
      comment: "contracts know nobody",
      severity: "error",
      from: { path: "^packages/contracts/src" },
      to: { path: "^(packages/(?!contracts)|apps|infra)" },
    },
    {
      name: "failover-pool-stands-alone",
      comment: "anybody who uses pg can take it alone",
      severity: "error",
      from: { path: "^packages/failover-pool/src", pathNot: "\\.spec\\.ts$" },
      to: { path: "^(packages/(?!failover-pool)|apps|infra)" },
    },
    {
      name: "work-queue-stands-alone",
      comment: "anybody with PostgreSQL can take it alone; tests may use the testkit",
      severity: "error",
      from: { path: "^packages/work-queue/src", pathNot: "\\.spec\\.ts$" },
      to: { path: "^(packages/(?!work-queue|failover-pool)|apps|infra)" },
    },
    {
      name: "runtime-knows-contracts-and-what-stands-alone-only",
      severity: "error",
      from: { path: "^packages/runtime/src", pathNot: "\\.spec\\.ts$" },
      to: { path: "^(packages/(?!contracts|failover-pool|work-queue|runtime)|apps|infra)" },
    },
    { name: "packages-know-no-apps", severity: "error", from: { path: "^packages" }, to: { path: "^(apps|infra)" } },
    {
      name: "apps-know-no-apps",
      severity: "error",
      from: { path: "^apps/([^/]+)" },
      to: { path: "^(apps/(?!$1)|infra)" },
    },
    {
      name: "product-code-needs-no-testkit",
      severity: "error",
      from: { path: "^(packages/(?!testkit)|apps)[^/]*/src", pathNot: "(\\.spec\\.ts$|/testing/)" },
      to: { path: "^packages/testkit" },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|node_modules|\\.turbo)/" },
    parser: "swc",
    enhancedResolveOptions: {
      conditionNames: ["source", "import", "node", "default"],
      exportsFields: ["exports"],
      extensions: [".ts", ".mjs", ".js"],
    },
  },
};
