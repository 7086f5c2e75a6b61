import { parseMapping, type RuntimeMapping } from "#core/config/mapping.ts";
import mapping from "#core/mapping.json" with { type: "json" };

/** The mapping that the migrations and the Edge Functions beside this server are made for. */
export const ownMapping: RuntimeMapping = parseMapping(mapping);
