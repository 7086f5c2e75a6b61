import { z } from "zod";

const rowSchema = z.object({
  what: z.string(),
  unit: z.string(),
  sides: z.record(z.string(), z.array(z.number())),
  ratio: z.number().positive(),
  of: z.string(),
  against: z.string(),
  better: z.enum(["higher", "lower"]),
  goal: z.number().nullable(),
});

const machineSchema = z.object({
  cpu: z.string(),
  cores: z.number(),
  memoryGb: z.number(),
  node: z.string(),
  postgres: z.string(),
  pgBoss: z.string(),
  graphileWorker: z.string(),
});

export const resultSchema = z.object({
  scenario: z.string(),
  question: z.string(),
  date: z.string(),
  commit: z.string(),
  machine: machineSchema,
  load: z.object({ before: z.number(), after: z.number() }),
  options: z.record(z.string(), z.number()),
  notes: z.array(z.string()),
  rows: z.array(rowSchema),
});

/** What the numbers were taken on. */
export type Machine = z.infer<typeof machineSchema>;

/**
 * What a scenario measured, and how it ran. `load`: the load average of a minute, when the benchmark was started and
 * when the scenario ended; others at work on the machine show in the first.
 */
export type Result = z.infer<typeof resultSchema>;
