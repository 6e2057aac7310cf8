import { runService } from "@understudy/runtime";
import { messageServerVariables } from "./message-server.config.ts";
import { MessageServerModule } from "./message-server.module.ts";

await runService({
  kind: "message-server",
  variables: messageServerVariables,
  module: (context) => MessageServerModule.for(context),
});
