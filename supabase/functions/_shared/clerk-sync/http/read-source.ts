/** Where a request seems to come from; a source is one address, of IPv6 one /64, which is what one customer gets. */
type SourceFacts = {
  /** The header X-Forwarded-For. */
  forwardedFor: string | null;
  /** The address at the other end of the connection, where it is known. */
  socketAddress?: string | undefined;
  /**
   * Who wrote X-Forwarded-For: the gateway of Supabase, whose first entry is the client, or so many proxies of the
   * owner's, each of which adds the address it was called from at the end. 0: anybody, it is not believed.
   */
  trust: "gateway" | number;
};

const longestAddress = 45; // of IPv6 with an IPv4 tail

/** The source of a request, for counting. It can be forged wherever the header can: nothing may be allowed by it. */
export function readSource({ forwardedFor, socketAddress, trust }: SourceFacts): string {
  const hops = (forwardedFor ?? "").split(",").map((hop) => hop.trim());
  const hop = trust === "gateway" ? hops[0] : hops[hops.length - trust];
  return toSource(hop || socketAddress || "unknown");
}

/** The source of a request that came through Supabase's gateway. */
export function readGatewaySource(headers: Headers): string {
  return readSource({ forwardedFor: headers.get("x-forwarded-for"), trust: "gateway" });
}

function toSource(address: string): string {
  const known = address
    .slice(0, longestAddress)
    .toLowerCase()
    .replace(/^::ffff:(?=\d+\.)/, "");
  if (!known.includes(":")) return known;
  const [head = "", tail] = known.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  return [...groups, ...Array.from({ length: zeros }, () => "0"), ...rest].slice(0, 4).join(":");
}
