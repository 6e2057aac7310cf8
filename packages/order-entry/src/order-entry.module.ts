import { type DynamicModule, Module } from "@nestjs/common";
import { APP_FILTER } from "@nestjs/core";
import type { ApplicationContext } from "@understudy/runtime";
import { WorkQueue } from "@understudy/work-queue";
import { CatalogueController } from "./catalogue/catalogue.controller.ts";
import { OrderDatabase } from "./database/order-database.ts";
import { ProblemFilter } from "./http/problem.filter.ts";
import { JobsController } from "./jobs/jobs.controller.ts";
import { OpenApiController } from "./openapi/openapi.controller.ts";
import { OrderDesk } from "./orders/order-desk.ts";
import { OrderReader } from "./orders/order-reader.ts";
import { OrdersController } from "./orders/orders.controller.ts";

@Module({})
export class OrderEntryModule {
  static for(context: ApplicationContext): DynamicModule {
    return {
      module: OrderEntryModule,
      controllers: [CatalogueController, JobsController, OpenApiController, OrdersController],
      providers: [
        { provide: OrderDatabase, useFactory: () => new OrderDatabase(context) },
        { provide: WorkQueue, useValue: context.queue },
        OrderReader,
        OrderDesk,
        // For the whole port: unknown routes and bodies that cannot be parsed reach no controller.
        { provide: APP_FILTER, useFactory: () => new ProblemFilter(context.log) },
      ],
    };
  }
}
