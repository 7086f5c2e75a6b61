/** A text of several lines, as it stands where its first line is indented by so many spaces. */
export const indent = (text: string, spaces: number) => text.replaceAll("\n", `\n${" ".repeat(spaces)}`);

/** Items of a list, each on a line of its own. */
export const lines = (items: readonly string[], spaces: number, separator = ",") =>
  items.join(`${separator}\n${" ".repeat(spaces)}`);
