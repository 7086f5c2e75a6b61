const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The page of what an entry is about: a user or a job, written with or without "job:" or "user:". Null for all else. */
export function linkSubject(subject: string): string | null {
  const name = subject.replace(/^(job|user)[: ]\s*/, "");
  if (/^user_[A-Za-z0-9]+$/.test(name)) return `/users/${name}`;
  return uuid.test(name) && !subject.startsWith("user") ? `/jobs/${name}` : null;
}
