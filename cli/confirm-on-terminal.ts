import process from "node:process";
import { confirm, isCancel } from "@clack/prompts";

/** Asks yes or no on standard error, so that standard output holds the result only; Ctrl-C is a no. */
export async function confirmOnTerminal(question: string): Promise<boolean> {
  const answer = await confirm({ message: question, initialValue: false, output: process.stderr });
  return !isCancel(answer) && answer;
}
