/**
 * A version, which is Clerk's updated_at in milliseconds, as ISO 8601. What no calendar has (a date ends at 8.64e15) is
 * shown as the number it is.
 */
export function describeVersion(version: number): string {
  const date = new Date(version);
  return Number.isNaN(date.getTime()) ? String(version) : date.toISOString();
}
