import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdminPage, readAdminPage } from "./admin-page.ts";

let parent: string;
let page: AdminPage;

beforeAll(async () => {
  parent = await mkdtemp(path.join(tmpdir(), "clerk-sync-admin-page-"));
  const assets = path.join(parent, "dist/assets");
  await mkdir(assets, { recursive: true });
  await writeFile(path.join(parent, "secret.js"), "secret");
  await writeFile(path.join(parent, "dist/.sources"), "secret");
  await writeFile(path.join(parent, "dist/index.html"), '<meta nonce="CSP_NONCE"><script nonce="CSP_NONCE">');
  await writeFile(path.join(assets, "index-1.js"), "plain");
  await writeFile(path.join(assets, "index-1.js.br"), "br");
  await writeFile(path.join(assets, "index-1.js.gz"), "gzip");
  await writeFile(path.join(assets, "style-1.css"), "plain");
  const read = readAdminPage(path.join(parent, "dist"));
  if (read === null) throw new Error("The page was not read.");
  page = read;
});
afterAll(() => rm(parent, { recursive: true, force: true }));

const ask = (name: string, encoding = "") =>
  page(new Request(`http://localhost${name}`, { headers: { "accept-encoding": encoding } }));

it("a page that was not built is none", () => {
  expect(readAdminPage(path.join(parent, "assets"))).toBeNull();
});

describe("the first file", () => {
  it.each(["/admin", "/admin/", "/admin/jobs", "/admin/users/user_2abc?x=1"])("is answered at %s", async (name) => {
    const answer = ask(name);
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-cache");
    expect(await answer.text()).toContain("<meta nonce=");
  });

  it("has a new nonce in each answer, the same in its policy", async () => {
    const nonces = await Promise.all(
      [ask("/admin"), ask("/admin")].map(async (answer) => {
        const [, nonce = ""] = /style-src 'self' 'nonce-([\w-]{24})'/.exec(policyOf(answer)) ?? [];
        expect(await answer.text()).toBe(`<meta nonce="${nonce}"><script nonce="${nonce}">`);
        return nonce;
      }),
    );
    expect(new Set(nonces).size).toBe(2);
  });

  it("may run files of this server, call this server, and nothing else", () => {
    const rules = policyOf(ask("/admin")).split("; ");
    expect(rules).toContain("default-src 'none'");
    expect(rules).toContain("script-src 'self'");
    expect(rules).toContain("connect-src 'self'");
    for (const name of ["frame-ancestors", "base-uri", "form-action"]) expect(rules).toContain(`${name} 'none'`);
    expect(rules.join()).not.toMatch(/unsafe|https?:|\*/);
  });
});

describe("a file of the page", () => {
  it.each([
    ["", null, "plain"],
    ["gzip, deflate, br", "br", "br"],
    ["GZIP", "gzip", "gzip"],
    ["br;q=0, gzip;q=0.5", "gzip", "gzip"],
    ["identity", null, "plain"],
  ])("is sent to who takes %j encoded as %s", async (accepted, encoding, body) => {
    const answer = ask("/admin/assets/index-1.js", accepted);
    expect(answer.headers.get("content-encoding")).toBe(encoding);
    expect(await answer.text()).toBe(body);
    expect(answer.headers.get("vary")).toBe("accept-encoding");
  });

  it("without a compressed one is sent as it is", async () => {
    const answer = ask("/admin/assets/style-1.css", "br");
    expect([answer.headers.get("content-encoding"), answer.headers.get("content-type")]).toEqual([
      null,
      "text/css; charset=utf-8",
    ]);
  });

  it("is kept for a year: its name changes with its content", () => {
    expect(ask("/admin/assets/index-1.js").headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  });

  it("of another version is not found, and its absence is not kept", async () => {
    const answer = ask("/admin/assets/index-0.js");
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([404, "no-store"]);
    expect(await answer.json()).toMatchObject({ code: "not_found" });
  });
});

it.each([
  "/admin/../secret.js",
  "/admin/..%2fsecret.js",
  "/admin/%2e%2e/secret.js",
  "/admin/assets/..%2f..%2fsecret.js",
  "/admin/assets/%2e%2e%2f.sources",
  "/admin/.sources",
  "/admin//etc/passwd",
])("%s reaches nothing that was not built", async (name) => {
  expect(await ask(name).text()).not.toContain("secret");
});

it.each(["/admin", "/admin/assets/index-1.js", "/admin/assets/none.js"])(
  "%s is not guessed at, and tells no referrer",
  (name) => {
    const { headers } = ask(name);
    expect([headers.get("x-content-type-options"), headers.get("referrer-policy")]).toEqual(["nosniff", "no-referrer"]);
  },
);

function policyOf(answer: Response): string {
  return answer.headers.get("content-security-policy") ?? "";
}
