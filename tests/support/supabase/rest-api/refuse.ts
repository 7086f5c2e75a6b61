import { HTTPException } from "hono/http-exception";
import type { PostgrestFailure } from "../../../../local/supabase/postgrest-failure.ts";

/** Ends the request with an answer of PostgREST. */
export function refuse({ status, body }: PostgrestFailure): never {
  throw new HTTPException(status as 400, { res: Response.json(body, { status }) });
}

/** Ends the request with an answer of Supabase's gateway, before PostgREST is asked. */
export function refuseAtGateway(message: string, hint: string): never {
  throw new HTTPException(401, { res: Response.json({ message, hint }, { status: 401 }) });
}
