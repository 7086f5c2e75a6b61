import { fileURLToPath } from "node:url";
import { build } from "vite";

/** Bytes of an entry with all it imports, as one minified file without Node's or the browser's parts. */
export async function readBundleSize(entry: URL): Promise<number> {
  const built = await build({
    configFile: false,
    root: fileURLToPath(new URL("../../", import.meta.url)),
    logLevel: "error",
    build: { ssr: fileURLToPath(entry), write: false, minify: true, target: "es2024" },
    ssr: { noExternal: true, target: "webworker" },
  });
  const outputs = [built].flat().flatMap((one) => ("output" in one ? one.output : []));
  return outputs.reduce((sum, file) => sum + (file.type === "chunk" ? Buffer.byteLength(file.code) : 0), 0);
}
