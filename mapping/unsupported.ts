import { SyncError } from "#core/errors.ts";
import type { Configuration } from "./configuration.ts";

/** What this version reads and does not do yet, by the names of the file. */
export function unsupported(configuration: Configuration): string[] {
  const { changes, hooks } = configuration;
  const isOn = {
    changes,
    hooks: hooks.length > 0,
  };
  return Object.entries(isOn).flatMap(([name, on]) => (on ? [name] : []));
}

/** Throws SyncError config_invalid where the configuration asks for something that this version does not do. */
export function refuseUnsupported(configuration: Configuration, name: string): void {
  const names = unsupported(configuration);
  if (names.length === 0) return;
  const list = names.join(", ");
  throw new SyncError(
    "config_invalid",
    `${name} asks for ${list}, which this version of clerk-sync does not do. Remove ${list} from the file.`,
  );
}
