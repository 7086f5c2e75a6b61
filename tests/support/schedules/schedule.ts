import fc from "fast-check";

/** What Clerk did to a user, in the order of Clerk's own clock. */
export type Step =
  | { kind: "create" | "rename" | "username" | "ban" | "delete"; user: number }
  /** null: the metadata has no role any more. */
  | { kind: "role"; user: number; role: string | null }
  /** verified: whether Clerk has verified the address; Clerk lets several users have one that nobody verified. */
  | { kind: "email"; user: number; email: number | null; verified: boolean };

/** What happens next in the system, as if by chance. */
export type Action =
  | { kind: "deliver"; place: number }
  /** overtake: while this worker is frozen, its lease runs out and another does the next work from end to end. */
  | { kind: "claim" | "read" | "mirror" | "settle" | "crash" | "overtake"; worker: number }
  /** Somebody asks that a user be read again. */
  | { kind: "refresh"; user: number }
  /** Somebody who knows the webhook's secret sends an event with a time in the future. */
  | { kind: "forge"; user: number }
  | { kind: "wait"; seconds: number }
  /** Every lease runs out and the jobs are freed, whether their workers are dead or frozen. */
  | { kind: "rescue" };

/**
 * What one request to Supabase Auth or Clerk's API meets. `late`: it takes effect and the answer is lost; `failed`:
 * a 500 that says nothing; `refused`: a 422 that says never.
 */
export type Fault = "none" | "lost" | "late" | "rate_limited" | "failed" | "refused" | "crash";

export type Schedule = {
  /** Users whose rows are in the table before the sync. */
  known: number[];
  /** The address of a row without a Clerk id, where the table may have one. */
  unlinked: number | null;
  steps: Step[];
  duplicates: number[];
  /** Whether the workers can read from Clerk's API. Without that nothing may be dropped. */
  canRead: boolean;
  /** Events that Clerk never delivers. */
  dropped: number[];
  actions: Action[];
  faults: Fault[];
  limit: number;
};

export const userCount = 3;
export const emailCount = 2;
export const workerCount = 3;

const user = fc.nat(userCount - 1);
const worker = fc.nat(workerCount - 1);

/** In order, as Svix does while all is well, or in any. */
const place = fc.oneof(fc.constant(0), fc.nat(1000));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("rename", "username", "ban"), user }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("role"), user, role: fc.constantFrom("user", "admin", "owner", null) }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant("email"),
      user,
      email: fc.option(fc.nat(emailCount - 1), { freq: 3 }),
      verified: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("create", "delete", "delete"), user }) },
) as fc.Arbitrary<Step>;

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("deliver"), place }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("claim"), worker }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("read"), worker }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refresh"), user }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forge"), user }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("mirror"), worker }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("settle"), worker }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash"), worker }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("overtake"), worker }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait"), seconds: fc.constantFrom(1, 30, 70, 3600) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rescue") }) },
) as fc.Arbitrary<Action>;

const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Fault>("none") },
  { weight: 3, arbitrary: fc.constantFrom<Fault>("lost", "late", "rate_limited", "failed", "refused", "crash") },
);

/** So many failures in a row that a circuit opens. */
const outage: fc.Arbitrary<Fault[]> = fc
  .constantFrom<Fault>("lost", "late", "rate_limited", "failed")
  .map((kind) => Array.from({ length: 6 }, () => kind));

const faults: fc.Arbitrary<Fault[]> = fc
  .array(fc.oneof({ weight: 8, arbitrary: fault.map((one) => [one]) }, { weight: 1, arbitrary: outage }), {
    maxLength: 30,
  })
  .map((parts) => parts.flat());

/** Histories of a few users who fight over a few addresses, and everything that can go wrong on the way. */
export const schedules: fc.Arbitrary<Schedule> = fc.record({
  known: fc.oneof(fc.constant<number[]>([]), fc.subarray(Array.from({ length: userCount }, (_, place) => place))),
  unlinked: fc.option(fc.nat(emailCount - 1)),
  steps: fc.array(step, { minLength: 4, maxLength: 16 }),
  duplicates: fc.array(fc.nat(1000), { maxLength: 4 }),
  canRead: fc.boolean(),
  dropped: fc.array(fc.nat(1000), { maxLength: 3 }),
  actions: fc.array(action, { minLength: 20, maxLength: 60 }),
  faults,
  limit: fc.constantFrom(1, 2, 250),
});
