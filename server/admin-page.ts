import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Answers a GET below /admin. */
export type AdminPage = (request: Request) => Response;

type Asset = { type: string; plain: Uint8Array<ArrayBuffer>; br: Bytes | null; gzip: Bytes | null };
type Bytes = Uint8Array<ArrayBuffer>;

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
const noncePlaceholder = "CSP_NONCE";
const builtPage = fileURLToPath(new URL("../admin/dist/", import.meta.url));

/**
 * Reads the built admin page into memory, so that a request can reach what was built and nothing else. Null when it was
 * not built: a server that only syncs needs none.
 */
export function readAdminPage(folder = builtPage): AdminPage | null {
  const index = readIfThere(path.join(folder, "index.html"));
  if (index === null) return null;
  const template = new TextDecoder().decode(index);
  const assets = readAssets(folder);
  return (request) => {
    const name = new URL(request.url).pathname.replace(/^\/admin\/?/, "");
    const asset = assets.get(name);
    if (asset !== undefined) return answerAsset(name, asset, request.headers.get("accept-encoding") ?? "");
    if (name.startsWith("assets/")) return answerMissing();
    return answerIndex(template);
  };
}

function readAssets(folder: string): Map<string, Asset> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const served = names.filter((name) => types[path.extname(name)] !== undefined);
  return new Map(served.map((name) => [name.split(path.sep).join("/"), readAsset(path.join(folder, name))]));
}

function readAsset(file: string): Asset {
  const type = types[path.extname(file)] ?? "application/octet-stream";
  return { type, plain: readBytes(file), br: readIfThere(`${file}.br`), gzip: readIfThere(`${file}.gz`) };
}

function readBytes(file: string): Bytes {
  return new Uint8Array(readFileSync(file));
}

function readIfThere(file: string): Bytes | null {
  try {
    return readBytes(file);
  } catch {
    return null;
  }
}

function answerAsset(name: string, { type, plain, br, gzip }: Asset, accepted: string): Response {
  const [encoding, body] = choose(accepted, { br, gzip }) ?? [null, plain];
  return new Response(body, {
    headers: {
      ...everywhere,
      "content-type": type,
      // The name of what lies in assets/ holds the hash of its content.
      "cache-control": name.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache",
      vary: "accept-encoding",
      ...(encoding === null ? {} : { "content-encoding": encoding }),
    },
  });
}

function choose(accepted: string, bodies: Readonly<Record<string, Bytes | null>>): [string, Bytes] | null {
  const offers = accepted.split(",").map((offer) => offer.trim().toLowerCase());
  for (const [encoding, body] of Object.entries(bodies)) {
    const takes = offers.some((offer) => offer.split(";")[0] === encoding && !/;\s*q=0(\.0*)?$/.test(offer));
    if (takes && body !== null) return [encoding, body];
  }
  return null;
}

/** Any other path is one of the page's own, which reads it in the browser. */
function answerIndex(template: string): Response {
  const nonce = randomBytes(18).toString("base64url");
  return new Response(template.replaceAll(noncePlaceholder, nonce), {
    headers: {
      ...everywhere,
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
      "content-security-policy": policy(nonce),
      "cross-origin-opener-policy": "same-origin",
      "x-frame-options": "DENY",
    },
  });
}

function answerMissing(): Response {
  const body = { error: "This file is of another version of the admin page. Load the page again.", code: "not_found" };
  return Response.json(body, { status: 404, headers: { ...everywhere, "cache-control": "no-store" } });
}

const everywhere = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };

/**
 * Scripts are files of this server. Mantine writes some rules into <style> elements, which carry the nonce; style
 * attributes are set through the DOM, which the policy does not restrict.
 */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src 'self' data:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
