import { AuthError } from "./auth-error.ts";

const maxBodyBytes = 1_048_576;

/** The body as text, at most 1 MB of it; more is 413 `request_entity_too_large`. */
export async function readBody(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  // GoTrue's JSON reader refuses a byte order mark, so it must not be swallowed here.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(chunks));
}

/** The body of a DELETE. GoTrue takes one that is too large for an empty one. */
export async function readOptionalBody(request: Request): Promise<string> {
  try {
    return await readBody(request);
  } catch (error) {
    if (error instanceof AuthError) return "";
    throw error;
  }
}

function tooLarge(): AuthError {
  return new AuthError(413, "request_entity_too_large", `Request body too large (max ${maxBodyBytes} bytes)`);
}
