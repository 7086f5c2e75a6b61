const functionPath = "/functions/v1/sync-admin";
const key = "clerk-sync-admin.api-url";

/** The API of the server that this page comes from. */
export function ownApiUrl(): string {
  return `${location.origin}${functionPath}`;
}

/**
 * Makes the address of the API out of what a person enters: a project's URL, or the whole address. Returns null for what
 * is no URL, or would send the key unencrypted to another machine.
 */
export function readApiUrl(text: string): string | null {
  const url = URL.parse(text.trim());
  if (url === null || !isPrivate(url)) return null;
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.origin}${path === "" ? functionPath : path}`;
}

function isPrivate({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname));
}

/** Only the address; it is no secret. */
export function rememberApiUrl(url: string): void {
  localStorage.setItem(key, url);
}

export function rememberedApiUrl(): string {
  return localStorage.getItem(key) ?? ownApiUrl();
}

/** Whether this page came from a clerk-sync server, whose policy lets it call that server only. */
export function isServedByApi(): boolean {
  return styleNonce() !== "CSP_NONCE" && styleNonce() !== "";
}

/** What the server's Content-Security-Policy allows <style> elements by. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";
}
