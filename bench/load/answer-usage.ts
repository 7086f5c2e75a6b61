import { answerQuestions } from "./program.ts";
import { readUsage, type Usage } from "./read-usage.ts";

export type UsageApi = { usage: (argument: null) => Promise<Usage> };

// node --import this: a program that knows nothing of the benchmark tells it what it uses.
answerQuestions({ usage: readUsage } satisfies UsageApi);
process.channel?.unref();
