import { z } from "zod";
import { networkReason } from "#core/http/network-reason.ts";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import type { Rest } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";

const userSchema = z.object({
  email: z.string().nullish(),
  user_metadata: z.looseObject({ full_name: z.string().nullish() }),
});
const missingSchema = z.object({ error_code: z.literal("user_not_found") });

/** The mirror of a Clerk user; null when Supabase Auth knows none; or why nothing can be said. */
type AuthUserAnswer =
  | { user: { email: string | null; name: string | null } | null }
  | { reason: string; status: number | null };

const timeoutMilliseconds = 15_000;

/** Asks Supabase Auth for the mirror of a Clerk user (`GET /auth/v1/admin/users/{id}`). */
export async function askAuthUser(clerkId: string, rest: Rest, io: Pick<CommandIo, "fetch">): Promise<AuthUserAnswer> {
  try {
    const response = await io.fetch(`${rest.baseUrl}/auth/v1/admin/users/${authUserIdOf(clerkId)}`, {
      headers: { apikey: rest.secretKey, authorization: `Bearer ${rest.secretKey}` },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    const body: unknown = await response.json().catch(() => null);
    if (response.status === 404 && missingSchema.safeParse(body).success) return { user: null };
    const parsed = userSchema.safeParse(body);
    if (!response.ok || !parsed.success)
      return { reason: `Supabase Auth answers ${response.status} at this address`, status: response.status };
    return { user: { email: parsed.data.email ?? null, name: parsed.data.user_metadata.full_name ?? null } };
  } catch (error) {
    return { reason: `Supabase Auth cannot be asked: ${networkReason(error)}`, status: null };
  }
}
