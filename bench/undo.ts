/** What must be undone when something is over: in the opposite order, once, all of it whatever fails. */
export function createUndo(): { add: (undo: () => Promise<unknown>) => void; run: () => Promise<void> } {
  const steps: (() => Promise<unknown>)[] = [];
  return {
    add: (undo) => void steps.push(undo),
    run: async () => {
      const failures: unknown[] = [];
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
        await step().catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw new AggregateError(failures, "not all could be undone");
    },
  };
}
