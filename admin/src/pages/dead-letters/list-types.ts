import { formatCount } from "../../format-time.ts";

const words: Readonly<Record<string, string>> = {
  USER_CREATED: "created",
  USER_UPDATED: "updated",
  USER_DELETED: "deleted",
};

/** "3 users created, 1 deleted": what the jobs of a group are about. */
export function listTypes(types: Readonly<Record<string, number>>): string {
  const parts = Object.entries(types).map(([type, count], place) => {
    const unit = place > 0 ? "" : count === 1 ? " user" : " users";
    return `${formatCount(count)}${unit} ${words[type] ?? type}`;
  });
  return parts.join(", ");
}
