import { parseArgs } from "node:util";
import { buildAdminPage, ensureAdminPage } from "./admin-page.ts";

// npm run build:admin [-- --base /path/], and before npm start: build-admin.ts --if-changed
const { values } = parseArgs({ options: { base: { type: "string" }, "if-changed": { type: "boolean" } } });

if (values["if-changed"] === true) await buildIfChanged();
else await buildAdminPage(values.base);

/** The server starts all the same: the sync does not depend on its page. */
async function buildIfChanged(): Promise<void> {
  try {
    await ensureAdminPage(() => console.log("Building the admin page …"));
  } catch (error) {
    console.error(`The admin page was not built, /admin will not be served: ${String(error)}`);
  }
}
