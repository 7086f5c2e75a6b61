import { validationFailed } from "./auth-error.ts";

type ListPage = { page: bigint; perPage: bigint; limit: bigint; offset: bigint; sort: SortDirection[] };
export type SortDirection = "asc" | "desc";

const maxUint64 = 2n ** 64n - 1n;

/**
 * The page a list request asks for: 50 users from page 1 unless told, without a maximum; page 0 is page 1 and
 * per_page 0 is 20. Throws 400. Source: GoTrue sorting.go, pagination.go and the paginator of gobuffalo/pop.
 */
export function parseListPage(query: URLSearchParams): ListPage {
  const sort = query.has("sort") ? query.getAll("sort").map(parseSort) : ["desc" as const];
  const page = parseCount(query.get("page"), 1n);
  const perPage = parseCount(query.get("per_page"), 50n);
  const limit = perPage === 0n ? 20n : perPage;
  const offset = (page === 0n ? 0n : page - 1n) * limit;
  return { page, perPage, limit, offset, sort };
}

/** The `Link` header: the next page, when there is one, and the last; the path is the one GoTrue itself sees. */
export function linkHeader(url: URL, { page, limit }: ListPage, total: bigint): string {
  const lastPage = (total + limit - 1n) / limit;
  const last = `${link(url, lastPage)}; rel="last"`;
  return lastPage > page ? `${link(url, page + 1n)}; rel="next", ${last}` : last;
}

function link(url: URL, page: bigint): string {
  const query = new URLSearchParams(url.search);
  query.set("page", String(page));
  query.sort();
  return `</admin/users?${query}>`;
}

function parseCount(text: string | null, fallback: bigint): bigint {
  if (text === null || text === "") return fallback;
  const reason = !/^\d+$/.test(text) ? "invalid syntax" : BigInt(text) > maxUint64 ? "value out of range" : undefined;
  if (reason === undefined) return BigInt(text);
  throw validationFailed(`Bad Pagination Parameters: strconv.ParseUint: parsing ${JSON.stringify(text)}: ${reason}`);
}

function parseSort(text: string): SortDirection {
  const [field = "", ...rest] = text.split(" ");
  if (field !== "created_at") throw validationFailed(`Bad Sort Parameters: bad field for sort '${field}'`);
  const direction = rest.length === 0 ? "desc" : rest.join(" ").toLowerCase();
  if (direction === "asc" || direction === "desc") return direction;
  throw validationFailed(
    `Bad Sort Parameters: bad direction for sort '${rest.join(" ")}', only 'asc' and 'desc' allowed`,
  );
}
