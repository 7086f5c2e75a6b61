import { copyFile, mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

// After `npm run test:browser`: node tests/browser/support/renew-picture.ts takes the picture of the README anew.
const root = fileURLToPath(new URL("../../../", import.meta.url));
const source = `${root}.test-results/screenshots/overview-light.png`;
const most = 200_000;

const { size } = await stat(source);
if (size > most) throw new Error(`${source} has ${size} bytes, the README takes at most ${most}`);
await mkdir(`${root}docs/images`, { recursive: true });
await copyFile(source, `${root}docs/images/admin.png`);
console.log(`docs/images/admin.png: ${size} bytes`);
