import { fileURLToPath } from "node:url";
import { buildPackage } from "./build-package.ts";

// npm run build
await buildPackage(fileURLToPath(new URL("../dist/", import.meta.url)));
