/** A user as Clerk's API shows it; the same snapshot as in an event's data. */
export type ClerkApiUser = { id: string; created_at?: number; updated_at: number };

export type UserOrder = "created_at" | "updated_at";

/** The users of an instance, kept in both orders: a page costs the same at any place and with any number of users. */
export type UserStore = Pick<
  Map<string, ClerkApiUser>,
  "get" | "set" | "has" | "delete" | "clear" | "size" | "values"
> & {
  /** Many at once, sorted once. */
  fill: (users: Iterable<ClerkApiUser>) => void;
  sorted: (order: UserOrder) => readonly ClerkApiUser[];
  /** Where a user stands in an order. */
  placeOf: (user: ClerkApiUser, order: UserOrder) => number;
};

export function createUserStore(): UserStore {
  const users = new Map<string, ClerkApiUser>();
  const indexes: Record<UserOrder, ClerkApiUser[]> = { created_at: [], updated_at: [] };
  const orders: readonly UserOrder[] = ["created_at", "updated_at"];
  const remove = (id: string) => {
    const user = users.get(id);
    if (user === undefined) return false;
    for (const order of orders) indexes[order].splice(search(indexes[order], user, order), 1);
    return users.delete(id);
  };
  const store: UserStore = {
    get: (id) => users.get(id),
    has: (id) => users.has(id),
    values: () => users.values(),
    get size() {
      return users.size;
    },
    set: (id, user) => {
      remove(id);
      users.set(id, user);
      for (const order of orders) indexes[order].splice(search(indexes[order], user, order), 0, user);
      return users;
    },
    delete: remove,
    clear: () => {
      users.clear();
      for (const order of orders) indexes[order].length = 0;
    },
    fill: (added) => {
      for (const user of added) users.set(user.id, user);
      for (const order of orders) indexes[order] = [...users.values()].sort((one, other) => compare(one, other, order));
    },
    sorted: (order) => indexes[order],
    placeOf: (user, order) => search(indexes[order], user, order),
  };
  return store;
}

function compare(one: ClerkApiUser, other: ClerkApiUser, order: UserOrder): number {
  const difference = (one[order] ?? 0) - (other[order] ?? 0);
  if (difference !== 0) return difference;
  return one.id < other.id ? -1 : Number(one.id > other.id);
}

/** The first place whose user does not stand before `user`. */
function search(sorted: readonly ClerkApiUser[], user: ClerkApiUser, order: UserOrder): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = sorted[middle];
    if (at !== undefined && compare(at, user, order) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
