/** First names, among them what breaks careless code: markup, quotes, spaces, emoji, surrogate pairs, no Latin. */
export const firstNames = [
  "Ada",
  "Grace",
  "Linus",
  "Margaret",
  "Zoë",
  "Ada & Co <math>",
  "D'Angelo",
  '"Quote" \\ Backslash',
  "  Padded  ",
  "Rocket 🚀",
  "👩‍👩‍👧‍👦",
  "𝒢𝓇𝒶𝒸ℯ",
  "美咲",
  "محمد",
] as const;

/** Last names of the same kind. */
export const lastNames = [
  "Lovelace",
  "Hopper",
  "Torvalds",
  "O'Brien",
  "Müller-Lüdenscheid",
  "<script>alert(1)</script>",
  "Smith & Sons",
  "von Neumann",
  "🦊",
  "𠮷野",
  "Nguyễn",
] as const;
