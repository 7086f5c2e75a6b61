const digits = "[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const uuidFormat = new RegExp(`^(?:\\{(?:${digits})\\}|(?:urn:uuid:)?(?:${digits}))$`, "i");

export const nilUuid = "00000000-0000-0000-0000-000000000000";

/**
 * The id in its usual spelling, or undefined for anything that is no UUID. Any version passes, and so do the
 * spellings gofrs/uuid knows: 32 digits without hyphens, in braces, or after `urn:uuid:`.
 */
export function parseUuid(text: string): string | undefined {
  if (!uuidFormat.test(text)) return undefined;
  const bare = text.toLowerCase().replace("urn:uuid:", "").replaceAll(/[{}-]/g, "");
  return bare.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
