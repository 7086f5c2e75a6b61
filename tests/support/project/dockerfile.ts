import { readFile } from "node:fs/promises";
import { z } from "zod";

export type Instruction = { name: string; value: string };

/** The instructions of the Dockerfile, a list for each stage. Comments are left out, continued lines joined. */
export async function readDockerfile(): Promise<Instruction[][]> {
  const text = await readFile(new URL("../../../Dockerfile", import.meta.url), "utf8");
  const lines = text
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n");
  const stages: Instruction[][] = [];
  for (const line of lines.filter((entry) => entry.trim() !== "")) {
    const [name = "", ...rest] = line.trim().split(/\s+/);
    if (name === "FROM") stages.push([]);
    stages.at(-1)?.push({ name, value: rest.join(" ") });
  }
  return stages;
}

/** The value of the only instruction of this name. */
export function readValue(stage: readonly Instruction[], name: string): string {
  const found = stage.filter((instruction) => instruction.name === name);
  if (found.length !== 1) throw new Error(`${found.length} instructions ${name}`);
  return found[0]?.value ?? "";
}

/** The words of an exec form, `["program", "argument"]`; fails on a shell form. */
export function execForm(value: string): string[] {
  return z
    .array(z.string())
    .min(1)
    .parse(JSON.parse(value.slice(value.indexOf("["))));
}
