const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** "850 ms", "3.2 s", "4 min 10 s", "2 d 3 h": the two largest units. */
export function formatDuration(milliseconds: number): string {
  const whole = Math.max(0, milliseconds);
  if (whole < 1000) return `${Math.round(whole)} ms`;
  if (whole < 10_000) return `${Number((whole / 1000).toFixed(1))} s`;
  const rounded = Math.round(whole / 1000) * 1000;
  const first = units.findIndex(([, size]) => rounded >= size);
  return units
    .slice(first, first + 2)
    .map(([name, size], index) => [
      Math.floor((index === 0 ? rounded : rounded % (units[first]?.[1] ?? 1)) / size),
      name,
    ])
    .filter(([count], index) => index === 0 || count !== 0)
    .map((part) => part.join(" "))
    .join(" ");
}

/** "3 s ago", "2 h ago", "in 5 min", "just now": the largest unit. `at` is ISO 8601. */
export function formatAgo(at: string, now: number): string {
  const elapsed = now - Date.parse(at);
  if (Number.isNaN(elapsed)) return at;
  if (Math.abs(elapsed) < 1000) return "just now";
  const [name, size] = units.find(([, size]) => Math.abs(elapsed) >= size) ?? ["s", 1000];
  const count = Math.floor(Math.abs(elapsed) / size);
  return elapsed > 0 ? `${count} ${name} ago` : `in ${count} ${name}`;
}

/** "2026-11-25 04:32:36", in the reader's time zone. */
export function formatTime(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

/** A version, which is Clerk's updated_at in ms, as ISO 8601; one that no date can be (from 8.64e15 on) as the number it is. */
export function formatVersion(version: number): string {
  const date = new Date(version);
  return Number.isNaN(date.getTime()) ? String(version) : date.toISOString();
}

/** "1,234,567". */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** "999", "1k", "10k": where there is room for no more; whole thousands, rounded down. */
export function formatShort(count: number): string {
  return count < 1000 ? String(count) : `${formatCount(Math.floor(count / 1000))}k`;
}
