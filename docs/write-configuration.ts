import { writeFile } from "node:fs/promises";
import { formatConfiguration } from "./format-configuration.ts";

// npm run docs
await writeFile(new URL("configuration.md", import.meta.url), formatConfiguration());
