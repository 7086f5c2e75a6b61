import { acceptPromises } from "./accept-mutations.ts";
import { alertPromises } from "./alert-mutations.ts";
import { applyRules } from "./apply-mutations.ts";
import { circuitLaws } from "./circuit-mutations.ts";
import { contentRules } from "./content-mutations.ts";
import { editorNames } from "./edit-mutations.ts";
import { ensurePromises } from "./ensure-mutations.ts";
import { kindRules } from "./kind-mutations.ts";
import { laws } from "./law-mutations.ts";
import { counting } from "./metric-mutations.ts";
import { mirrorPromises } from "./mirror-mutations.ts";
import { knownFailures, type Mutation } from "./mutations.ts";
import { objectRules } from "./object-mutations.ts";
import { operations } from "./operations-mutations.ts";
import { payloadRules } from "./payload-mutations.ts";
import { quickPlans } from "./plan-mutations.ts";
import { policyRules } from "./policy-mutations.ts";
import { probeRules } from "./probe-mutations.ts";
import { queuePromises } from "./queue-mutations.ts";
import { relinkPromises } from "./relink-mutations.ts";
import { runRules } from "./run-mutations.ts";
import { searchRules } from "./search-mutations.ts";
import { supervision } from "./supervision-mutations.ts";
import { tableFileRules } from "./table-file-mutations.ts";
import { unseenUsers } from "./unseen-mutations.ts";
import { versionRules } from "./version-mutations.ts";

/** Every fix and law that a test is known to hold. */
export const allMutations: readonly Mutation[] = [
  ...knownFailures,
  ...laws,
  ...circuitLaws,
  ...kindRules,
  ...ensurePromises,
  ...relinkPromises,
  ...runRules,
  ...probeRules,
  ...supervision,
  ...counting,
  ...alertPromises,
  ...acceptPromises,
  ...unseenUsers,
  ...mirrorPromises,
  ...quickPlans,
  ...payloadRules,
  ...versionRules,
  ...tableFileRules,
  ...operations,
  ...queuePromises,
  ...applyRules,
  ...searchRules,
  ...contentRules,
  ...editorNames,
  ...objectRules,
  ...policyRules,
];
