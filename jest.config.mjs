/** Two projects: `unit` beside the source, `integration` against real nats-server, PostgreSQL and service processes. */
const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: "node",
  // Workspace packages resolve to their TypeScript source, so a test always sees the code as it stands.
  testEnvironmentOptions: { customExportConditions: ["source", "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts"],
  modulePathIgnorePatterns: ["/dist/", "/.understudy/", "/.turbo/"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        swcrc: false,
        module: { type: "es6" },
        sourceMaps: "inline",
        jsc: {
          target: "es2022",
          parser: { syntax: "typescript", decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
      },
    ],
  },
};

export default {
  // Jest knows this for all projects only. Integration tests start real clusters.
  testTimeout: 60_000,
  projects: [
    { ...shared, displayName: "unit", testMatch: ["<rootDir>/{packages,apps,infra}/*/src/**/*.spec.ts"] },
    {
      ...shared,
      displayName: "integration",
      testMatch: ["<rootDir>/{packages,apps,infra}/*/test/**/*.int.spec.ts"],
    },
  ],
};
