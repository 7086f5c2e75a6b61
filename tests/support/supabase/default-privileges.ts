/** What a project grants on new objects: everything until 2026-10-30, nothing since (Supabase changelog 45329). */
export const defaultPrivileges = {
  "grant everything": `alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role`,
  "grant nothing": `alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
    alter default privileges revoke execute on functions from public`,
};
