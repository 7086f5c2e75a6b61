/** Does the work of every item, `most` at a time and in their order. `work` must not throw. */
export async function inParallel<Item>(
  items: readonly Item[],
  most: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
}

/** The same, with what comes of each in the order of the items. After the first that throws none is begun; that is thrown. */
export async function mapInParallel<Item, Output>(
  items: readonly Item[],
  most: number,
  work: (item: Item) => Promise<Output>,
): Promise<Output[]> {
  const outputs: Output[] = [];
  const failures: unknown[] = [];
  await inParallel([...items.entries()], most, async ([place, item]) => {
    if (failures.length > 0) return;
    try {
      outputs[place] = await work(item);
    } catch (error) {
      failures.push(error);
    }
  });
  if (failures.length > 0) throw failures[0];
  return outputs;
}
