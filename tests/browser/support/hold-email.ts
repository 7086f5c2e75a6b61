import type { System } from "../../e2e/system.ts";

/** Makes an Auth user of somebody else's with this address; what is returned removes it again. */
export async function holdEmail({ settings }: System, email: string): Promise<() => Promise<void>> {
  const url = `${settings.url}/auth/v1/admin/users`;
  const headers = { apikey: settings.secretKey, "content-type": "application/json" };
  const body = JSON.stringify({ email, email_confirm: true });
  const { id } = (await (await fetch(url, { method: "POST", headers, body })).json()) as { id: string };
  return async () => {
    await fetch(`${url}/${id}`, { method: "DELETE", headers });
  };
}
