import { fileURLToPath } from "node:url";
import { writeMigration } from "./migration.ts";

// npm run migration
await writeMigration(fileURLToPath(new URL("../", import.meta.url)));
