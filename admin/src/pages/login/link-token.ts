/** The address of the page that signs in by this token. What follows # is never sent to a server. */
export function makeLink(pageUrl: string, token: string): string {
  return `${pageUrl}#token=${encodeURIComponent(token)}`;
}

export function readLinkToken(hash: string): string | null {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token") || null;
}

/** The token of a read-only link; taken out of the address, so that it stays in no history. */
export function takeLinkToken(): string | null {
  const token = readLinkToken(location.hash);
  if (token !== null) history.replaceState(history.state, "", `${location.pathname}${location.search}`);
  return token;
}
