/** What is said of a role that was stored as the default. `kind` as clerk_sync.user_state.ignored_role has it. */
export function ignoredRoleText(kind: string): string {
  const what = kind === "text" ? "a text that is no role here" : `of the type ${kind}, and a role is a text`;
  return `Ignored: public_metadata.role at Clerk is ${what}. The user has the default role.`;
}
