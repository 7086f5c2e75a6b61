// The stand-in as a process: node tests/support/clerk/stand-in/main.ts --users 100000 --port 4010
// Prints one line of JSON, {url, secretKey, users}, when it serves; Ctrl-C ends it.
import { parseArgs } from "node:util";
import { makeUsers } from "./make-users.ts";
import { startClerkStandIn } from "./start-clerk-stand-in.ts";

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "1000" },
    port: { type: "string" },
    key: { type: "string", default: "sk_live_stand_in" },
  },
});
const clerk = await startClerkStandIn({
  secretKey: values.key,
  rate: { requests: values.key.startsWith("sk_test_") ? 100 : 1000, seconds: 10 },
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
});
clerk.users.fill(makeUsers(Number(values.users)));
process.stdout.write(`${JSON.stringify({ url: clerk.url, secretKey: clerk.secretKey, users: clerk.users.size })}\n`);
process.once("SIGINT", () => void clerk.stop());
process.once("SIGTERM", () => void clerk.stop());
