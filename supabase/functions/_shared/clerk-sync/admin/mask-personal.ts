// What is personal, and how much of it is shown: enough to recognise who is known already.

/** What is put in the place of what is left out. */
const gap = "***";

/** Keys whose values name things of the system, in Clerk's events and in ours; every other text is taken for personal. */
const plainKey =
  /^(id|object|type|status|strategy|provider|role|user_role|reason|outcome|code|kind|source|error|action|event_type|instance_id|clerk_id)$|_(id|ids|at|type|status|strategy)$/;

/** What an id, a name of a thing, or a time looks like: one word, and no address, URL or number to call. */
const plainText = /^(?!\+?\d{7,}$)[\w.:+-]{1,255}$/;
const timeText = /^\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d(:?\d\d)?)?$/;

/** Keys below which every text is the app's or the user's own. */
const metadataKey = /metadata$/;
const emailText = /[^\s@<>"'(),;:]+@[^\s@<>"'(),;:]+/g;
const plainName = /^[A-Za-z_][\w-]{0,63}$/;

/** Where a text stands: below what is anybody's own, or beside a key that says what it is. */
type Place = { key: string; isOwn: boolean };

/** "ada@example.com" is "a***@e***.com". */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf("@");
  if (at < 1) return maskText(email);
  const domain = email.slice(at + 1);
  const end = domain.lastIndexOf(".");
  return `${first(email)}${gap}@${first(domain)}${gap}${end > 0 ? domain.slice(end) : ""}`;
}

/** Of any other text the first character of each of the first four words. */
export function maskText(text: string): string {
  return text
    .split(/\s+/, 4)
    .filter((word) => word !== "")
    .map((word) => `${first(word)}${gap}`)
    .join(" ");
}

/** A text that is about calls and rules: an address in it is masked, the rest stays. */
export function maskAddresses(text: string): string {
  return text.replace(emailText, maskEmail);
}

/**
 * A copy of a JSON value in which ids, times, types, numbers and booleans stand as they are, and every other text is
 * masked: emails, names, phones, addresses, URLs, and whatever metadata holds.
 */
export function maskPersonal<Value>(value: Value): Value {
  return mask(value, { key: "", isOwn: false }) as Value;
}

function mask(value: unknown, place: Place): unknown {
  if (typeof value === "string") return maskAt(value, place);
  if (Array.isArray(value)) return value.map((item) => mask(item, place));
  if (typeof value === "object" && value !== null) return maskObject(value, place);
  return value;
}

function maskObject(value: object, { isOwn }: Place): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      plainName.test(key) ? key : maskAt(key, { key: "", isOwn: true }),
      mask(item, { key, isOwn: isOwn || metadataKey.test(key) }),
    ]),
  );
}

function maskAt(text: string, { key, isOwn }: Place): string {
  if (text === "") return text;
  if (!isOwn && key === "error") return maskAddresses(text);
  if (!isOwn && plainKey.test(key) && (plainText.test(text) || timeText.test(text))) return text;
  return text.includes("@") ? maskEmail(text) : maskText(text);
}

function first(text: string): string {
  return Array.from(text)[0] ?? "";
}
