/** Resolves after so many milliseconds: the sleep of whoever is given none. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * What the work answers; what `late` makes, or throws, when it has not ended after so many milliseconds. The work is not
 * stopped, and how it ends after that is unheard.
 */
export async function inTime<Output>(work: Promise<Output>, milliseconds: number, late: () => Output): Promise<Output> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    return await Promise.race([work, waited.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}

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
