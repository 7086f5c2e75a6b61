import { SyncError } from "./errors.ts";

/** Svix accepts messages up to about 350 kB; an event of Clerk's is 2 to 30 kB. */
export const maxBodyBytes = 512 * 1024;

/**
 * Reads the body of a request as the bytes that were sent: a signature covers these, not a parsed and
 * re-serialised copy. Counts what arrives; Content-Length is only believed when it is already too large.
 * Throws SyncError `body_too_large`.
 */
export async function readBody(request: Request, limit = maxBodyBytes): Promise<Uint8Array> {
  const tooLarge = () => new SyncError("body_too_large", `The body is larger than ${limit} bytes.`);
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge();
  if (request.body === null) return new Uint8Array();

  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return concatenate(chunks, size);
}

function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
