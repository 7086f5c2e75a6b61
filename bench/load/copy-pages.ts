import pg from "pg";
import { createClerkApi } from "#core/clerk/clerk-api.ts";
import { mapUser } from "#core/clerk/map-user.ts";
import { queryOf, upsertUsers } from "../peers/upsert-users.ts";

/** Reads all users of Clerk's page by page, and upserts each page in one statement. */
export async function copyPages(databaseUrl: string, clerk: { apiUrl: string; secretKey: string }): Promise<void> {
  const api = createClerkApi(clerk);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    let page = await api.listUsers();
    while (page.users.length > 0) {
      const rows = page.users.map(({ user, version }) => {
        const { clerk_id, email = null, name = null, user_role: role = "user" } = mapUser(user);
        return { clerk_id, email, name, role, version };
      });
      await upsertUsers(queryOf(client), rows);
      page = await api.listUsers({ id: rows.at(-1)?.clerk_id ?? "" });
    }
  } finally {
    await client.end();
  }
}
