/** A keeper in `external` mode as a part of the service: its life, and what it tells. */
import type { OnApplicationBootstrap } from "@nestjs/common";
import { primaryChanged } from "@understudy/contracts";
import { publish, type ServiceContext } from "@understudy/runtime";
import type { DbKeeperConfiguration } from "../db-keeper.config.ts";
import { Announcer } from "../telling/announcer.ts";
import { ExternalObserver } from "./external-observer.ts";

export class ExternalKeeper implements OnApplicationBootstrap {
  readonly #observer: ExternalObserver;
  readonly #announcer: Announcer;

  constructor(private readonly context: ServiceContext<DbKeeperConfiguration>) {
    const { configuration, identity, log, nats } = context;
    const database = configuration.UNDERSTUDY_DATABASE;
    const member = configuration.UNDERSTUDY_MEMBER;
    const [password = "", ...former] = configuration.UNDERSTUDY_DATABASE_PASSWORD_FILE;
    const address = configuration.UNDERSTUDY_MEMBERS[member] ?? { host: "127.0.0.1", port: 5_432 };
    this.#observer = new ExternalObserver(
      {
        identity,
        database,
        member,
        address,
        login: {
          user: configuration.UNDERSTUDY_POSTGRES_SUPERUSER,
          password,
          former,
        },
        onChange: () => this.#announcer.changed(),
        onPrimary: (timeline) =>
          publish(nats.main, primaryChanged, { database, term: timeline, timeline, primary: member, at: Date.now() }),
      },
      log,
    );
    this.#announcer = new Announcer(nats, () => this.#observer.state);
  }

  onApplicationBootstrap(): void {
    this.context.shutdown.on("finish", "observer", () => {
      this.#announcer.stop();
      this.#observer.stop();
    });
    this.#observer.start();
    this.#announcer.start();
  }
}
