import type { Mutation } from "./mutations.ts";

const core = (name: string) => `supabase/functions/_shared/clerk-sync/${name}.ts`;

/** What payloads of an unexpected form must not do, each with the line that upholds it. */
export const payloadRules: readonly Mutation[] = [
  {
    test: core("check-origin").replace(".ts", ".test.ts"),
    title: "user.deleted of user_29wBMCtzATuFJut8jO2VNTVekS4 is a sample",
    edits: [{ file: core("check-origin"), find: '  "user_29wBMCtzATuFJut8jO2VNTVekS4",\n', replace: "" }],
  },
];
