/** Resolves after so many milliseconds: the sleep of whoever is given none. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
