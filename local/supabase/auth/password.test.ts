import { expect, test } from "vitest";
import { changedPasswordHash, newPasswordHash } from "./password.ts";

const bcrypt = `$2a$10$${"a".repeat(53)}`;

test("without a hash a well-formed random one is stored, another one each time", () => {
  const hashes = new Set(Array.from({ length: 20 }, () => newPasswordHash(undefined, "")));
  expect(hashes.size).toBe(20);
  for (const hash of hashes) expect(hash).toMatch(/^\$2a\$10\$[./A-Za-z0-9]{53}$/);
});

test.each([
  bcrypt,
  `$2b$31$${"a".repeat(52)}`,
  "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
  "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=c2VjcmV0$c2FsdA==$aGFzaA==",
])("%s is stored as it was sent", (hash) => {
  expect(newPasswordHash(undefined, hash)).toBe(hash);
});

test.each([
  "plain text that is longer than the sixty characters of a bcrypt hash",
  bcrypt.slice(0, 58),
  bcrypt.replace("$10$", "$32$"),
  bcrypt.replace("$10$", "$03$"),
  "$argon2d$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
  "$argon2id$v=16$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
  "$argon2id$v=19$m=1048577,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
  "$argon2id$v=19$m=65536,t=3,p=4$$aGFzaGhhc2g",
  "$fbscrypt$v=2,n=14,r=8,p=1$c2FsdA==$aGFzaA==",
  "$fbscrypt$v=1,n=14,r=0,p=1$c2FsdA==$aGFzaA==",
])("the hash %s is refused with 500", (hash) => {
  expect(() => newPasswordHash(undefined, hash)).toThrow(
    expect.objectContaining({ status: 500, code: "unexpected_failure", message: "Error creating user" }),
  );
});

test("an update refuses a password of five bytes as weak", () => {
  expect(() => changedPasswordHash("12345")).toThrow(
    expect.objectContaining({ status: 422, code: "weak_password", weakPasswordReasons: ["length"] }),
  );
});
