// The command line as a process that says at its end how much memory it needed: {"peakMegabytes": 120} on stderr.
import process from "node:process";
import { main } from "../../../cli/main.ts";

process.exitCode = await main(process.argv.slice(2));
process.stderr.write(`${JSON.stringify({ peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024) })}\n`);
