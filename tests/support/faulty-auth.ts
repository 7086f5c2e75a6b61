import type { AuthAdmin } from "#core/auth-admin.ts";
import { SyncError } from "#core/errors.ts";
import type { ReadUser } from "#core/read-user.ts";
import type { Fault } from "./schedule.ts";

/** Thrown where the worker dies in the middle of a request. */
export const workerCrash = new Error("the worker crashed");

const refusals: Readonly<Record<Exclude<Fault, "none" | "crash">, SyncError>> = {
  lost: new SyncError("auth_unavailable", "not reached", { retryable: true }),
  failed: new SyncError("auth_unavailable", "answered 500", { retryable: true }),
  refused: new SyncError("auth_rejected", "answered 422"),
  late: new SyncError("auth_unavailable", "timed out", { retryable: true }),
  rate_limited: new SyncError("auth_rate_limited", "slow down", { retryable: true, retryAfterSeconds: 5 }),
};

type Request<Arguments extends unknown[], Answer> = (...args: Arguments) => Promise<Answer>;

/** Puts a script of faults in front of a request. */
function meetFaults(nextFault: () => Fault) {
  return <Arguments extends unknown[], Answer>(request: Request<Arguments, Answer>): Request<Arguments, Answer> =>
    async (...args) => {
      const fault = nextFault();
      if (fault === "crash" || fault === "late" || fault === "none") {
        const answer = await request(...args);
        if (fault === "none") return answer;
        throw fault === "crash" ? workerCrash : refusals.late;
      }
      throw refusals[fault];
    };
}

/** The same for the reading of users from Clerk's API. */
export function createFaultyRead(readUser: ReadUser, nextFault: () => Fault): ReadUser {
  return meetFaults(nextFault)(readUser);
}

/** Puts a script of faults in front of an Auth door, one entry a request; after the last all is well. */
export function createFaultyAuth(auth: AuthAdmin, nextFault: () => Fault): AuthAdmin {
  const meet = meetFaults(nextFault);
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
