import { ApiError } from "../../api/api-error.ts";

/** Whether the API knows no such job, or the id in the address is none: reading again would not help. */
export function isNoJob(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 404 || error.status === 400);
}
