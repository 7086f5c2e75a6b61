import { fieldsOf } from "#core/config/mapping.ts";
import { ownMapping } from "../../../server/own-mapping.ts";

/** The fields of this repository's mapping, and those of the mirror. */
export const rootFields = fieldsOf(ownMapping, true);
