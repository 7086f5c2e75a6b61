import { z } from "zod";
import { storedJobSchema } from "#core/database/job.ts";
import { callRpc, type Rest, type RpcAnswer } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";

const jobSchema = storedJobSchema
  .pick({ id: true, status: true, attempts: true, error: true, history: true })
  .extend({
    result: z
      .looseObject({ applied: z.boolean().optional(), mirror: z.looseObject({ outcome: z.string() }).optional() })
      .nullable(),
  })
  .nullable();

/** A job as clerk_sync_job answers it. */
export type Job = NonNullable<z.infer<typeof jobSchema>>;

/** How long each hop took, in ms. `answer` and `total` by this machine's clock, the others by the database's. */
export type Hops = { answer?: number; applied?: number; mirrored?: number; total?: number };

/** Asks for one job; null when the queue has no such job. */
export function askJob(id: string, rest: Rest, io: Pick<CommandIo, "fetch">): Promise<RpcAnswer<Job | null>> {
  return callRpc(rest, { name: "clerk_sync_job", args: { p_id: id }, schema: jobSchema }, io);
}

/** True when no worker will touch the job any more, or not before a person has decided. */
export function isSettled({ status, error }: Job): boolean {
  return ["COMPLETED", "DEAD", "CANCELLED"].includes(status) || isHeldByBrake({ error });
}

/** The delete brake puts a deletion back into the queue with its reason as error. */
export function isHeldByBrake({ error }: Pick<Job, "error">): boolean {
  return error?.startsWith("delete_brake:") ?? false;
}

/**
 * Reads the hops off a job's history. Claiming a job and applying it are one transaction, so they are one hop:
 * from the job stored to its row committed. From there to COMPLETED the mirror has it, where there is one.
 */
export function measureHops({ history }: Pick<Job, "history">): Pick<Hops, "applied" | "mirrored"> {
  const at = (wanted: readonly string[]) => history.find(({ status }) => wanted.includes(status))?.at;
  const applied = at(["PROCESSING", "COMPLETED"]);
  const mirrored = at(["PROCESSING"]) === undefined ? undefined : at(["COMPLETED"]);
  return {
    ...span("applied", history[0]?.at, applied),
    ...span("mirrored", applied, mirrored),
  };
}

function span(hop: "applied" | "mirrored", from: string | undefined, to: string | undefined): Partial<Hops> {
  if (from === undefined || to === undefined) return {};
  return { [hop]: Date.parse(to) - Date.parse(from) };
}
