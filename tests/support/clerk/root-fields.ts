import { fieldsOf, parseMapping } from "#core/config/mapping.ts";
import mapping from "#core/mapping.json" with { type: "json" };

const rootMapping = parseMapping(mapping);

/** The fields of this repository's mapping, and those of the mirror. */
export const rootFields = fieldsOf(rootMapping, true);

/** The fields of this repository's mapping alone: what a payload holds while the mirror is off. */
export const storedFields = fieldsOf(rootMapping, false);
