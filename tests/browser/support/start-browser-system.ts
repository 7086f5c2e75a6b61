import { rm } from "node:fs/promises";
import { ensureAdminPage } from "../../../build/admin-page.ts";
import { startSystem } from "../../e2e/start-system.ts";
import { controlsFile } from "./controls.ts";

/**
 * Builds the page if need be and starts the system. Users of the role `admin` may sign in with their session; what fails
 * once is a dead letter.
 */
export default async function start(): Promise<() => Promise<void>> {
  await ensureAdminPage();
  await rm(controlsFile, { force: true });
  return startSystem({ ADMIN_OPERATOR_ROLES: "admin", MAX_ATTEMPTS: "1" });
}
