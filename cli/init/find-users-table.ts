import { migrationsPath, type Project } from "./read-project.ts";

const comments = /--.*$|\/\*[\s\S]*?\*\//gm;
const usersTable =
  /\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?(?:(?:public|"public")\s*\.\s*)?(?:users(?![\w$])|"users")(?!\s*\.)/i;

/** The migration of the project's own that makes a table public.users; null where none does. */
export function findUsersTable(project: Project): string | null {
  const ours = new Set(project.manifest?.migrations.map(({ path }) => path));
  const own = [...project.files].filter(([path]) => path.startsWith(`${migrationsPath}/`) && !ours.has(path));
  return own.find(([, sql]) => usersTable.test(sql.replaceAll(comments, " ")))?.[0] ?? null;
}
