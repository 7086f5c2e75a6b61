import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { adminDist, ensureAdminPage } from "../../build/admin-page.ts";

const assets = path.join(adminDist, "assets");
const bytesOf = async (name: string) => (await stat(path.join(assets, `${name}.gz`))).size;

/** What the browser loads before anything can be used: what index.html names, and the first page. */
async function readFirstLoad(): Promise<string[]> {
  const index = await readFile(path.join(adminDist, "index.html"), "utf8");
  const named = [...index.matchAll(/assets\/([^"]+\.(?:js|css))"/g)].map(([, name = ""]) => name);
  const overview = (await readdir(assets)).filter((name) => /^overview-page-.*\.(js|css)$/.test(name));
  return [...new Set([...named, ...overview])];
}

it("the admin page needs less than 280 kB, compressed, before its first page stands", async () => {
  await ensureAdminPage();
  const names = await readFirstLoad();
  expect(names.length).toBeGreaterThan(3);
  const sizes = await Promise.all(names.map(bytesOf));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(280_000);
});

it("the charts, and with them all of the overview, come to less than 420 kB", async () => {
  const charts = (await readdir(assets)).filter((name) => /^charts-.*\.(js|css)$/.test(name));
  const sizes = await Promise.all([...(await readFirstLoad()), ...charts].map(bytesOf));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(420_000);
});

it("the page holds the production build of React, whoever built it", async () => {
  const scripts = (await readdir(assets)).filter((name) => name.endsWith(".js"));
  const texts = await Promise.all(scripts.map((name) => readFile(path.join(assets, name), "utf8")));
  expect(texts.filter((text) => text.includes("Download the React DevTools"))).toEqual([]);
});
