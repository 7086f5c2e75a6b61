/** Takes what undoes a step that was done. */
export type AddUndo = (undo: () => Promise<unknown>) => void;

/**
 * Starts something that consists of steps. Its `stop` undoes them, the last one first; when a step fails, those
 * before it are undone at once, so that nothing is left running.
 */
export async function startInSteps<Started extends object>(
  start: (addUndo: AddUndo) => Promise<Started>,
): Promise<Started & { stop: () => Promise<void> }> {
  const undos: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const undo of undos.splice(0).reverse()) await undo();
  };
  try {
    return { ...(await start((undo) => undos.push(undo))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
