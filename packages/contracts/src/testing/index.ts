export { fixtureOf, closedToMore, unreadable, unreadableThere, type Fixture } from "./fixture.ts";
export { wireForms, type WireForms } from "./wire-forms.ts";
