import type { AuthAdmin } from "#core/auth-admin.ts";
import { SyncError } from "#core/errors.ts";
import type { Fault } from "./schedule.ts";

/** Thrown where the worker dies in the middle of a request. */
export const workerCrash = new Error("the worker crashed");

const refusals: Readonly<Record<"lost" | "late" | "rate_limited", SyncError>> = {
  lost: new SyncError("auth_unavailable", "not reached", { retryable: true }),
  late: new SyncError("auth_unavailable", "timed out", { retryable: true }),
  rate_limited: new SyncError("auth_rate_limited", "slow down", { retryable: true, retryAfterSeconds: 5 }),
};

/** Puts a script of faults in front of an Auth door, one entry a request; after the last all is well. */
export function createFaultyAuth(auth: AuthAdmin, nextFault: () => Fault): AuthAdmin {
  const meet =
    <Arguments extends unknown[], Answer>(call: (...args: Arguments) => Promise<Answer>) =>
    async (...args: Arguments): Promise<Answer> => {
      const fault = nextFault();
      if (fault === "lost" || fault === "rate_limited") throw refusals[fault];
      const answer = await call(...args);
      if (fault === "late") throw refusals.late;
      if (fault === "crash") throw workerCrash;
      return answer;
    };
  const faulty: AuthAdmin = {
    createUser: meet(auth.createUser),
    getUser: meet(auth.getUser),
    updateUser: meet(auth.updateUser),
    deleteUser: meet(auth.deleteUser),
    findUsers: meet(auth.findUsers),
    until: () => faulty,
  };
  return faulty;
}
