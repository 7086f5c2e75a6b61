import { auth } from "@clerk/nextjs/server";
import { createSupabase } from "../../lib/create-supabase.ts";
import { readOwnUser } from "../../lib/read-own-user.ts";

/** Where Clerk sends users after the sign-up: NEXT_PUBLIC_CLERK_SIGN_UP_FORCE_REDIRECT_URL=/welcome */
export default async function WelcomePage() {
  const { userId, redirectToSignIn } = await auth();
  if (userId === null) return redirectToSignIn();
  const own = await readOwnUser();
  if (own.state === "late") return <RowIsLate />;
  const { data, error } = await createSupabase().from("users").select("preferences").single();
  if (error !== null) throw new Error(`The preferences cannot be read: ${error.message}`);
  return (
    <main>
      <h1>Welcome{own.user.name === null ? "" : `, ${own.user.name}`}</h1>
      <p>Theme: {String(data["preferences"]?.theme ?? "system")}</p>
    </main>
  );
}

/** Not an error: the row comes, at the latest with the webhook. The page looks again by itself. */
function RowIsLate() {
  return (
    <main>
      <meta httpEquiv="refresh" content="5" />
      <p>Your account is being set up. This takes a moment longer than usual.</p>
    </main>
  );
}
