import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";

const serviceSchema = z.object({
  image: z.string(),
  command: z.array(z.string()).default([]),
  entrypoint: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()).optional(), disable: z.boolean().optional() }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  deploy: z.object({ replicas: z.number() }).optional(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  security_opt: z.array(z.string()),
});

const composeSchema = z.object({
  services: z.object({
    postgres: serviceSchema,
    migrate: serviceSchema,
    webhook: serviceSchema,
    worker: serviceSchema,
  }),
});

export type Service = z.infer<typeof serviceSchema>;

/** The services of compose.yaml, with its anchors put in. */
export async function readComposeFile(): Promise<z.infer<typeof composeSchema>["services"]> {
  const text = await readFile(new URL("../../../compose.yaml", import.meta.url), "utf8");
  return composeSchema.parse(parse(text, { merge: true })).services;
}

/**
 * Puts variables in as Compose does: `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, which throws the message
 * when the variable is not set.
 */
export function interpolate(value: string, variables: Readonly<Record<string, string>>): string {
  return value.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, kind: string | undefined, text = "") => {
    const given = variables[name];
    if (given) return given;
    if (kind === "?") throw new Error(`${name}: ${text}`);
    return text;
  });
}
