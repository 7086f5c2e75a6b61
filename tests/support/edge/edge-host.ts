import { cp, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startDenoProgram } from "../processes/deno-function.ts";
import { createTestFolder } from "../processes/test-folder.ts";

const functionsFolder = fileURLToPath(new URL("../../../supabase/functions/", import.meta.url));
const program = fileURLToPath(new URL("./serve-deployments.ts", import.meta.url));

/** The variables of each function that is deployed, by its name. */
export type FunctionEnvironments = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Where Edge Functions are deployed to: one process of Deno, whatever is deployed. */
export type EdgeHost = {
  /** Deploys functions of this repository, unchanged but for the text of mapping.json; answers where they are. */
  deploy: (mappingText: string, functions: FunctionEnvironments) => Promise<string>;
  stop: () => Promise<void>;
};

export async function startEdgeHost(): Promise<EdgeHost> {
  const folder = await createTestFolder();
  const deno = await startDenoProgram(program, {
    config: `${functionsFolder}sync-admin/deno.json`, // it imports all that the others do
    permissions: ["--allow-net=127.0.0.1", "--allow-env", `--allow-read=${folder.path}`],
    env: {},
  });
  let count = 0;
  return {
    deploy: async (mappingText, environments) => {
      const name = `deployment-${++count}`;
      const copied = path.join(folder.path, name);
      const isNoTest = (file: string) => !file.endsWith(".test.ts");
      await cp(functionsFolder, copied, { recursive: true, filter: isNoTest });
      await writeFile(path.join(copied, "_shared/clerk-sync/mapping.json"), mappingText);
      const functions = Object.entries(environments).map(([functionName, env]) => ({
        name: functionName,
        module: pathToFileURL(path.join(copied, functionName, "index.ts")).href,
        env,
      }));
      const answer = await fetch(`${deno.url}/deploy`, { method: "POST", body: JSON.stringify({ name, functions }) });
      if (!answer.ok) throw new Error(`${await answer.text()}\n${deno.output()}`);
      return `${deno.url}/${name}`;
    },
    stop: async () => {
      await deno.stop();
      await folder.remove();
    },
  };
}
