import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "smol-toml";
import { z } from "zod";
import type { Environment } from "#core/config/config.ts";
import { errorMessage } from "#core/errors.ts";
import { networkReason } from "#core/http/network-reason.ts";
import type { CommandIo } from "../command-io.ts";
import type { Finding } from "./finding.ts";
import { frontendHostOf } from "./secret-kind.ts";

const check = "clerk";
const publishableNames = [
  "CLERK_PUBLISHABLE_KEY",
  "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
  "VITE_CLERK_PUBLISHABLE_KEY",
] as const;
const timeoutMilliseconds = 15_000;

type Io = Pick<CommandIo, "fetch" | "folder">;

/** Whether everything is of one Clerk instance, and whether Clerk knows the secret key. */
export async function checkClerk(environment: Environment, webhookUrl: string, io: Io): Promise<Finding[]> {
  const mixed = [
    ...compareModes(environment),
    ...(await compareDomain(environment, io.folder)),
    ...checkLiveKey(environment, webhookUrl),
  ];
  return [...mixed, await checkKey(environment, io)];
}

function read(environment: Environment, name: string): string {
  return environment[name]?.trim() ?? "";
}

function modeOf(key: string): "test" | "live" | null {
  const mode = /^[sp]k_(test|live)_/.exec(key)?.[1];
  return mode === "test" || mode === "live" ? mode : null;
}

/** sk_live_ beside pk_test_: the pages sign users up at one instance, the sync reads another. */
function compareModes(environment: Environment): Finding[] {
  const mode = modeOf(read(environment, "CLERK_SECRET_KEY"));
  return publishableNames.flatMap((name): Finding[] => {
    const other = modeOf(read(environment, name));
    if (mode === null || other === null || mode === other) return [];
    const what = `CLERK_SECRET_KEY is of a ${mode} instance, ${name} of a ${other} one`;
    return [{ check, state: "failed", what, remedy: "Take both keys from the same instance in Clerk's dashboard." }];
  });
}

const configSchema = z.object({
  auth: z.object({
    third_party: z.object({ clerk: z.object({ enabled: z.boolean().default(true), domain: z.string() }) }),
  }),
});

/** The instance whose tokens Supabase accepts (`[auth.third_party.clerk]`) must be the one that the pages use. */
async function compareDomain(environment: Environment, folder: string): Promise<Finding[]> {
  const domain = await readDomain(path.join(folder, "supabase", "config.toml"));
  if (typeof domain === "object") return domain === null ? [] : [domain];
  return publishableNames.flatMap((name): Finding[] => {
    const host = frontendHostOf(read(environment, name));
    if (host === null || host === domain) return [];
    const what = `supabase/config.toml trusts tokens of ${domain}, ${name} is of ${host}`;
    const remedy =
      "Set [auth.third_party.clerk] domain to the instance of your pages, in the dashboard of Supabase too.";
    return [{ check, state: "failed", what, remedy }];
  });
}

async function readDomain(file: string): Promise<string | Finding | null> {
  const text = await readFile(file, "utf8").catch(() => null);
  if (text === null) return null; // this folder is no project
  try {
    const { data } = configSchema.safeParse(parse(text));
    const clerk = data?.auth.third_party.clerk;
    return clerk === undefined || !clerk.enabled || clerk.domain.startsWith("env(") ? null : clerk.domain;
  } catch (error) {
    const remedy = "Correct it; the Supabase CLI cannot read it either.";
    return { check, state: "warning", what: `${file} is no TOML: ${errorMessage(error)}`, remedy };
  }
}

function checkLiveKey(environment: Environment, webhookUrl: string): Finding[] {
  const isLoopback = /^(localhost|127\.|\[::1\])/.test(URL.parse(webhookUrl)?.hostname ?? "");
  if (modeOf(read(environment, "CLERK_SECRET_KEY")) !== "live" || !isLoopback) return [];
  const what = "CLERK_SECRET_KEY is a live key, and the server is on this machine";
  return [{ check, state: "warning", what, remedy: "Use the development instance's sk_test_… here." }];
}

/** One cheap call: `GET /v1/users/count` (Clerk's Backend API). */
async function checkKey(environment: Environment, { fetch }: Io): Promise<Finding> {
  const key = read(environment, "CLERK_SECRET_KEY");
  if (key === "") {
    return {
      check: "clerk key",
      state: "skipped",
      what: "not checked",
      remedy: "Pass it with --env-file to have it looked at.",
    };
  }
  const base = (read(environment, "CLERK_API_URL") || "https://api.clerk.com").replace(/\/+$/, "").replace(/\/v1$/, "");
  try {
    const response = await fetch(`${base}/v1/users/count`, {
      headers: { authorization: `Bearer ${key}`, accept: "application/json" },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    return explainKey(response.status);
  } catch (error) {
    const remedy = "Is this machine on the network, and is CLERK_API_URL right?";
    return {
      check: "clerk key",
      state: "warning",
      what: `Clerk's API cannot be reached: ${networkReason(error)}`,
      remedy,
    };
  }
}

function explainKey(status: number): Finding {
  if (status === 200) return { check: "clerk key", state: "ok", what: "Clerk's API knows it" };
  if (status === 401) {
    const remedy = "Copy it again from Clerk's dashboard: API keys, Secret keys.";
    return { check: "clerk key", state: "failed", what: "Clerk's API refuses it", remedy };
  }
  const remedy = status === 404 ? "Is CLERK_API_URL right?" : "Try again later; refreshes wait until then.";
  return { check: "clerk key", state: "warning", what: `Clerk's API answers ${status}`, remedy };
}
