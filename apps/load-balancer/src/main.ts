import { runService } from "@understudy/runtime";
import { loadBalancerVariables } from "./load-balancer.config.ts";
import { LoadBalancerModule } from "./load-balancer.module.ts";

await runService({
  kind: "load-balancer",
  variables: loadBalancerVariables,
  module: (context) => LoadBalancerModule.for(context),
});
