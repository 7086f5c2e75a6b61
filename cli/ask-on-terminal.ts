import process from "node:process";
import { confirm, isCancel, select } from "@clack/prompts";
import type { Choice } from "./command-io.ts";

/** Lets the user choose on standard error, so that standard output holds the result only; Ctrl-C is null. */
export async function chooseOnTerminal<Value extends string>(
  question: string,
  choices: readonly Choice<Value>[],
): Promise<Value | null> {
  const options = choices.map(({ value, label }) => ({ value: value as string, label }));
  const answer = await select<string>({ message: question, options, output: process.stderr });
  return choices.find(({ value }) => !isCancel(answer) && value === answer)?.value ?? null;
}

/** Asks yes or no on standard error, so that standard output holds the result only; Ctrl-C is a no. */
export async function confirmOnTerminal(question: string): Promise<boolean> {
  const answer = await confirm({ message: question, initialValue: false, output: process.stderr });
  return !isCancel(answer) && answer;
}
