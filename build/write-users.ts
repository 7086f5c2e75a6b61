import { writeFile } from "node:fs/promises";
import { formatUsers } from "../mapping/generate-users.ts";
import { contractMapping } from "../tests/support/mapping/contract-mapping.ts";

// npm run users
await writeFile(new URL("../supabase/schemas/04_users.sql", import.meta.url), formatUsers(contractMapping));
