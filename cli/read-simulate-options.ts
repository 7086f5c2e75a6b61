import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import { wholeNumber } from "./whole-number.ts";

const optionsSchema = z.object({
  count: wholeNumber("--count", 1, 1_000_000),
  users: wholeNumber("--users", 1, 1_000_000).optional(),
  organizations: wholeNumber("--organizations", 0, 10_000).optional(),
  rate: z.coerce.number("--rate must be a number of events per second.").positive("--rate must be above 0.").optional(),
  concurrency: wholeNumber("--concurrency", 1, 1_000),
  seed: wholeNumber("--seed", 0, Number.MAX_SAFE_INTEGER).optional(),
  timeout: wholeNumber("--timeout", 0, 86_400),
  shuffle: z.boolean().default(false),
  duplicate: z.boolean().default(false),
  json: z.boolean().default(false),
  url: z.string().optional(),
  secret: z.string().optional(),
  secretKey: z.string().optional(),
  envFile: z.string().optional(),
});

export type SimulateOptions = Omit<z.infer<typeof optionsSchema>, "users" | "organizations" | "rate"> & {
  users: number;
  organizations: number;
  /** Deliveries per second; null for as fast as it goes. */
  rate: number | null;
};

/** Checks the options as commander read them. Throws SyncError `usage_invalid` with everything that is wrong. */
export function readOptions(given: unknown): SimulateOptions {
  const parsed = optionsSchema.safeParse(given);
  if (!parsed.success)
    throw new SyncError("usage_invalid", parsed.error.issues.map(({ message }) => message).join(" "));
  const { count, users = Math.max(1, Math.round(count / 3)), organizations = 0, rate = null } = parsed.data;
  if (users > count) {
    throw new SyncError(
      "usage_invalid",
      `--users ${users} is more than --count ${count}: a user has at least one event.`,
    );
  }
  return { ...parsed.data, users, organizations, rate };
}
