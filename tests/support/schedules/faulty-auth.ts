import type { ReadUser } from "#core/clerk/read-user.ts";
import { SyncError } from "#core/errors.ts";
import type { AuthAdmin } from "#core/mirror/auth-admin.ts";
import type { Fault } from "./schedule.ts";

/** Thrown where the worker dies in the middle of a request. */
export const workerCrash = new Error("the worker crashed");

type Refusals = Readonly<Record<Exclude<Fault, "none" | "crash">, SyncError>>;

function refusalsOf(service: "auth" | "clerk"): Refusals {
  return {
    lost: new SyncError(`${service}_unavailable`, "not reached", { retryable: true }),
    failed: new SyncError(`${service}_unavailable`, "answered 500", { retryable: true }),
    refused: new SyncError(`${service}_rejected`, "answered 422"),
    late: new SyncError(`${service}_unavailable`, "timed out", { retryable: true }),
    rate_limited: new SyncError(`${service}_rate_limited`, "slow down", { retryable: true, retryAfterSeconds: 5 }),
  };
}

type Request<Arguments extends unknown[], Answer> = (...args: Arguments) => Promise<Answer>;

/** Puts a script of faults in front of a request. */
function meetFaults(nextFault: () => Fault, refusals: Refusals) {
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
  return meetFaults(nextFault, refusalsOf("clerk"))(readUser);
}

/** Puts a script of faults in front of an Auth door, one entry a request; after the last all is well. */
export function createFaultyAuth(auth: AuthAdmin, nextFault: () => Fault): AuthAdmin {
  const meet = meetFaults(nextFault, refusalsOf("auth"));
  const faulty: AuthAdmin = {
    createUser: meet(auth.createUser),
    getUser: meet(auth.getUser),
    updateUser: meet(auth.updateUser),
    deleteUser: meet(auth.deleteUser),
    removeFactors: meet(auth.removeFactors),
    isEmailTaken: meet(auth.isEmailTaken),
    findUsers: meet(auth.findUsers),
    listUsers: meet(auth.listUsers),
    until: () => faulty,
  };
  return faulty;
}
