import { createHash } from "node:crypto";

/** The sha256 of a text file with LF line ends: a checkout that turned them into CRLF is no change. */
export function hashContent(content: string): string {
  return createHash("sha256").update(content.replaceAll("\r\n", "\n")).digest("hex");
}
