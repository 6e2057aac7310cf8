export { makeKey, makeSelfSigned, type Names } from "./certificates.ts";
export {
  finishRotation,
  listSecrets,
  natsUsersOf,
  rotateSecrets,
  secretFile,
  setUpSecrets,
  type ListedSecret,
  type SetUpOptions,
} from "./cluster-secrets.ts";
export { publicKeyOf, type GivenCertificate, type KeptSecrets } from "./kept-secrets.ts";
export { natsUserRules, subjectRule, type SubjectRule } from "./nats-rules.ts";
export type { Owner } from "./secret-file.ts";
export { SecretsError } from "./secrets-error.ts";
export {
  databaseRoles,
  secretKinds,
  type DatabaseRole,
  type KeyUser,
  type Member,
  type SecretKind,
  type SecretsPlan,
} from "./secrets-plan.ts";
