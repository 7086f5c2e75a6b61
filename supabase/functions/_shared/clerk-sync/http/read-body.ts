import { errorMessage, SyncError } from "../errors.ts";

/** Svix accepts messages up to about 350 kB; an event of Clerk's is 2 to 30 kB. */
export const maxBodyBytes = 512 * 1024;

/**
 * A body that says to be no larger is read in one piece, at a third of the cost: nearly every event of Clerk's. It counts
 * from its announcement, for the runtime holds what has arrived of it.
 */
const smallBodyBytes = 32 * 1024;

/** So much of a refused body is still read and dropped, so that the sender can go on using its connection. */
const maxDroppedBytes = 2 * 1024 * 1024;

/**
 * Reads the body of a request as the bytes that were sent: a signature covers these, not a parsed and
 * re-serialised copy. Counts what arrives; Content-Length is only believed when it is already too large, or small.
 * Calls onBytes with the size of each piece, or of a small body before it is read; what that throws is thrown on when the rest has arrived unread.
 * Throws SyncError `body_too_large`, or `body_incomplete` when the sender went away.
 */
export async function readBody(
  request: Request,
  onBytes: (count: number) => void = () => undefined,
  limit = maxBodyBytes,
): Promise<Uint8Array> {
  const tooLarge = () => new SyncError("body_too_large", `The body is larger than ${limit} bytes.`);
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > limit) throw tooLarge();
  const isSmall = announced > 0 && announced <= smallBodyBytes;
  let counted = 0;
  const kept = keepChunks((size) => {
    if (size > limit) throw tooLarge();
    if (size > counted) onBytes(size - counted);
    counted = Math.max(counted, size);
  });
  const mayKeep = !isSmall || kept.expect(announced);
  try {
    if (isSmall && mayKeep) kept.add(new Uint8Array(await request.arrayBuffer()));
    else for await (const chunk of request.body ?? []) if (!kept.add(chunk)) break;
  } catch (cause) {
    throw new SyncError("body_incomplete", `The body did not arrive: ${errorMessage(cause)}`, { cause });
  }
  return kept.all();
}

/** Keeps pieces until `check` throws; from then on they are only counted. */
function keepChunks(check: (size: number) => void) {
  let chunks: Uint8Array[] = [];
  let size = 0;
  let refusal: unknown = null;
  const passes = (wanted: number): boolean => {
    try {
      check(wanted);
      return true;
    } catch (cause) {
      refusal = cause;
      chunks = [];
      return false;
    }
  };
  return {
    /** Checks a body that is to come; false when it is refused, and will only be counted. */
    expect: passes,
    /** False when nothing more needs to be read. */
    add: (chunk: Uint8Array): boolean => {
      size += chunk.length;
      if (refusal !== null) return size <= maxDroppedBytes;
      if (passes(size)) chunks.push(chunk);
      return true;
    },
    /** Throws what `check` threw. */
    all: (): Uint8Array => {
      if (refusal !== null) throw refusal;
      return concatenate(chunks, size);
    },
  };
}

function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
