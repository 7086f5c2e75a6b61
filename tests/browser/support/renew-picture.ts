import { copyFile, mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

// Takes the picture of the README anew: `npm run test:browser -- --project=pages pages.spec`, which leaves no other jobs in
// the charts than those of example-data.ts, then node tests/browser/support/renew-picture.ts.
const root = fileURLToPath(new URL("../../../", import.meta.url));
const source = `${root}.test-results/screenshots/overview-light.png`;
const most = 200_000;

const { size } = await stat(source);
if (size > most) throw new Error(`${source} has ${size} bytes, the README takes at most ${most}`);
await mkdir(`${root}docs/images`, { recursive: true });
await copyFile(source, `${root}docs/images/admin.png`);
console.log(`docs/images/admin.png: ${size} bytes`);
