import { createHash } from "node:crypto";
import { z } from "zod";
import { errorMessage, SyncError } from "#core/errors.ts";

export const manifestPath = "supabase/clerk-sync.json";

const installedFileSchema = z.object({
  source: z.string(),
  path: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const manifestSchema = z.object({
  version: z.string(),
  migrations: z.array(installedFileSchema),
  files: z.array(installedFileSchema),
  sections: z.array(z.object({ name: z.string(), text: z.string() })),
  folders: z.array(z.string()),
  kept: z.array(z.string()).default([]),
  configuration: installedFileSchema.omit({ source: true }).optional(),
  /** What `generate` keeps here (mapping/saved-mapping.ts). */
  mapping: z.unknown().optional(),
});

/** A file of this package in a project: where it came from, where it lies, and the hash of what was put there. */
export type InstalledFile = z.infer<typeof installedFileSchema>;

/**
 * What `init` has put into a project, kept there in supabase/clerk-sync.json. A migration may have been installed
 * several times, the last entry of a source counts. `sections` holds the text as it was put into config.toml,
 * `folders` those that did not exist before, `kept` the paths that the user keeps as they are, `configuration` the file as it
 * was proposed: it is the user's own, and goes with the installation where it was never changed.
 */
export type Manifest = z.infer<typeof manifestSchema>;

/** Reads the manifest's text; null when only `generate` has written there. Throws SyncError `project_invalid`. */
export function parseManifest(text: string): Manifest | null {
  try {
    const value: unknown = JSON.parse(text);
    return isMappingOnly(value) ? null : manifestSchema.parse(value);
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : errorMessage(cause);
    const message = `${manifestPath} cannot be read: ${reason}. Restore it from version control, or delete it: then \`clerk-sync init\` takes what is there for yours.`;
    throw new SyncError("project_invalid", message, { cause });
  }
}

function isMappingOnly(value: unknown): value is { mapping: unknown } {
  return typeof value === "object" && value !== null && Object.keys(value).join() === "mapping";
}

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** The sha256 of a text file with LF line ends: a checkout that turned them into CRLF is no change. */
export function hashContent(content: string): string {
  return createHash("sha256").update(content.replaceAll("\r\n", "\n")).digest("hex");
}
