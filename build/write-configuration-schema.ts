import { writeFile } from "node:fs/promises";
import { formatConfigurationSchema } from "../mapping/format-configuration-schema.ts";

// npm run schema
await writeFile(new URL("../config.schema.json", import.meta.url), formatConfigurationSchema());
