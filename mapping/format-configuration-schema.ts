import { z } from "zod";
import { configurationSchema } from "./configuration-schema.ts";

/** The text of config.schema.json: what editors complete and explain in clerk-sync.config.json (JSON Schema, draft 7). */
export function formatConfigurationSchema(): string {
  const schema = z.toJSONSchema(configurationSchema, { target: "draft-7", io: "input" });
  const title = "clerk-sync.config.json";
  const comments = { allowComments: true, allowTrailingCommas: true };
  return `${JSON.stringify({ title, ...comments, ...schema }, null, 2)}\n`;
}
