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
