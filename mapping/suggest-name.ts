/**
 * The known name that somebody probably meant, or null. Case and the style of writing do not count: imageUrl means
 * image_url. Otherwise one letter in three may be wrong.
 */
export function suggestName(found: string, known: readonly string[]): string | null {
  const wanted = snakeCase(found);
  let best: { name: string; distance: number } | null = null;
  for (const name of known) {
    const distance = countEdits(wanted, snakeCase(name));
    if (distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { name, distance };
  }
  if (best === null) return null;
  const tolerance = Math.max(1, Math.floor(Math.max(wanted.length, snakeCase(best.name).length) / 3));
  return wanted !== "" && best.distance <= tolerance ? best.name : null;
}

/** `imageUrl`, `Image-Url` and `image url` as `image_url`. */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z\d])([A-Z])/g, "$1_$2")
    .replace(/[\s-]+/g, "_")
    .toLowerCase();
}

/** How many letters must be put in, taken out, replaced, or swapped with the next (optimal string alignment). */
function countEdits(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (isSame ? 0 : 1),
        isSwapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
