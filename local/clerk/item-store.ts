/** What Clerk's API has many of; the same snapshot as in an event's data. */
export type ClerkApiItem = { id: string; created_at?: number; updated_at: number };

/** A user as Clerk's API shows it. */
export type ClerkApiUser = ClerkApiItem;

export type ItemOrder = "created_at" | "updated_at";

/** The items of an instance, kept in both orders: a page costs the same at any place and with any number of items. */
export type ItemStore<Item extends ClerkApiItem> = Pick<
  Map<string, Item>,
  "get" | "set" | "has" | "delete" | "clear" | "size" | "values"
> & {
  /** Many at once, sorted once. */
  fill: (items: Iterable<Item>) => void;
  sorted: (order: ItemOrder) => readonly Item[];
  /** Where an item stands in an order. */
  placeOf: (item: Item, order: ItemOrder) => number;
};

export type UserStore = ItemStore<ClerkApiUser>;

/** What else happens when an item comes or goes; one that is replaced goes and comes, and `isReplaced` then. */
type Watcher<Item> = { added?: (item: Item) => void; removed?: (item: Item, isReplaced: boolean) => void };

export function createItemStore<Item extends ClerkApiItem>({ added, removed }: Watcher<Item> = {}): ItemStore<Item> {
  const items = new Map<string, Item>();
  const indexes: Record<ItemOrder, Item[]> = { created_at: [], updated_at: [] };
  const orders: readonly ItemOrder[] = ["created_at", "updated_at"];
  const remove = (id: string, isReplaced: boolean) => {
    const item = items.get(id);
    if (item === undefined) return false;
    for (const order of orders) indexes[order].splice(search(indexes[order], item, order), 1);
    items.delete(id);
    removed?.(item, isReplaced);
    return true;
  };
  const store: ItemStore<Item> = {
    get: (id) => items.get(id),
    has: (id) => items.has(id),
    values: () => items.values(),
    get size() {
      return items.size;
    },
    set: (id, item) => {
      remove(id, true);
      items.set(id, item);
      for (const order of orders) indexes[order].splice(search(indexes[order], item, order), 0, item);
      added?.(item);
      return items;
    },
    delete: (id) => remove(id, false),
    clear: () => {
      const gone = [...items.values()];
      items.clear();
      for (const order of orders) indexes[order].length = 0;
      for (const item of gone) removed?.(item, false);
    },
    fill: (filled) => {
      for (const item of filled) {
        const known = items.get(item.id);
        if (known !== undefined) removed?.(known, true);
        items.set(item.id, item);
        added?.(item);
      }
      for (const order of orders) indexes[order] = [...items.values()].sort((one, other) => compare(one, other, order));
    },
    sorted: (order) => indexes[order],
    placeOf: (item, order) => search(indexes[order], item, order),
  };
  return store;
}

function compare(one: ClerkApiItem, other: ClerkApiItem, order: ItemOrder): number {
  const difference = (one[order] ?? 0) - (other[order] ?? 0);
  if (difference !== 0) return difference;
  return one.id < other.id ? -1 : Number(one.id > other.id);
}

/** The first place whose item does not stand before `item`. */
function search(sorted: readonly ClerkApiItem[], item: ClerkApiItem, order: ItemOrder): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = sorted[middle];
    if (at !== undefined && compare(at, item, order) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
