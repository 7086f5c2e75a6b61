import { createHash, randomBytes } from "node:crypto";
import { AuthError, validationFailed } from "./auth-error.ts";

const maxPasswordBytes = 72;
const minPasswordBytes = 6;

const argon2Format =
  /^\$argon2(?<algorithm>d|i|id)\$v=(?<version>16|19)\$m=(?<memory>\d+),t=(?<time>\d+),p=(?<threads>\d+)\$(?<salt>[^$]*)\$(?<hash>.*)$/;
const firebaseFormat =
  /^\$fbscrypt\$v=(?<version>\d+),n=(?<memory>\d+),r=(?<rounds>\d+),p=(?<threads>\d+)(?:,ss=(?<separator>[^,]+))?(?:,sk=(?<key>[^$]+))?\$(?<salt>[^$]+)\$(?<hash>.+)$/;
const bcryptFormat = /^\$[0-2](?:[^$].|\$)(?<cost>\d\d)/s;

/**
 * What is stored as encrypted_password of a new user: the hash that was sent, one of the password, or of a random one.
 * Throws 400 for both, and 500 for a password above 72 bytes or for a hash that GoTrue cannot read. Source: GoTrue
 * admin.go, models/user.go, crypto/password.go.
 */
export function newPasswordHash(password: string | undefined, passwordHash: string): string {
  if (passwordHash === "") {
    if (Buffer.byteLength(password ?? "") > maxPasswordBytes) {
      throw new AuthError(500, "unexpected_failure", "Internal Server Error");
    }
    return hashPassword(password || randomBytes(40).toString("base64"));
  }
  if (!isPasswordHash(passwordHash)) throw new AuthError(500, "unexpected_failure", "Error creating user");
  return passwordHash;
}

/** Throws 400 for a password and a hash in one request. */
export function requireOnePassword(password: string | undefined, passwordHash: string): void {
  if (password === undefined || passwordHash === "") return;
  throw validationFailed("Only a password or a password hash should be provided");
}

/** What an update stores for a password, undefined when none was sent. Throws 400 when too long, 422 `weak_password`. */
export function changedPasswordHash(password: string | undefined): string | undefined {
  if (password === undefined) return undefined;
  const bytes = Buffer.byteLength(password);
  if (bytes > maxPasswordBytes) throw validationFailed(`Password cannot be longer than ${maxPasswordBytes} characters`);
  if (bytes < minPasswordBytes) {
    const message = `Password should be at least ${minPasswordBytes} characters.`;
    throw new AuthError(422, "weak_password", message, { weakPasswordReasons: ["length"] });
  }
  return hashPassword(password);
}

/** In bcrypt's form, cost 10 then 22 characters of salt and 31 of digest, but quick: nothing here is worth guarding. */
export function hashPassword(password: string, salt = bcryptText(randomBytes(22)).slice(0, 22)): string {
  const digest = createHash("sha256").update(`${salt}${password}`).digest();
  return `$2a$10$${salt}${bcryptText(digest).slice(0, 31)}`;
}

/** Whether a password is the one of this hash; no password is that of a hash made elsewhere. */
export function isPasswordOf(hash: string, password: string): boolean {
  return hash === hashPassword(password, hash.slice(7, 29));
}

function bcryptText(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("+", ".");
}

function isPasswordHash(hash: string): boolean {
  if (hash.startsWith("$argon2")) return isArgon2Hash(hash);
  if (hash.startsWith("$fbscrypt")) return isFirebaseHash(hash);
  const cost = Number(bcryptFormat.exec(hash)?.groups?.cost);
  return Buffer.byteLength(hash) >= 59 && cost >= 4 && cost <= 31;
}

function isArgon2Hash(hash: string): boolean {
  const parts = argon2Format.exec(hash)?.groups;
  if (parts === undefined || parts.algorithm === "d" || parts.version !== "19") return false;
  const isWithinLimits = Number(parts.memory) <= 1_048_576 && Number(parts.time) <= 20 && Number(parts.threads) <= 16;
  return isWithinLimits && isBase64(parts.salt, "bare") && isBase64(parts.hash, "bare");
}

function isFirebaseHash(hash: string): boolean {
  const parts = firebaseFormat.exec(hash)?.groups;
  if (parts === undefined || parts.version !== "1") return false;
  const counts = [Number(parts.memory), Number(parts.rounds), Number(parts.threads)];
  if (counts.some((count) => count === 0) || Number(parts.threads) > 255) return false;
  const optional = [parts.separator, parts.key].filter((part) => part !== undefined);
  return [parts.salt, parts.hash, ...optional].every((part) => isBase64(part, "padded"));
}

function isBase64(text: string | undefined, padding: "bare" | "padded"): boolean {
  if (text === undefined || text === "" || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  return padding === "padded" ? text.length % 4 === 0 : !text.endsWith("=") && text.length % 4 !== 1;
}
