import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

/** What the Supabase CLI uploads of one function: its settings, and its files by their paths in the project. */
export type Deployment = { settings: Record<string, unknown>; files: Map<string, string> };

export type ManagementApi = {
  /** The content of a CLI profile (`--profile <file>`) that leads here. */
  profile: string;
  deployments: Map<string, Deployment>;
  stop: () => Promise<void>;
};

/** Stands in for the part of Supabase's Management API that `supabase functions deploy --use-api` calls. */
export async function startManagementApi(): Promise<ManagementApi> {
  const deployments = new Map<string, Deployment>();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "", "http://localhost");
    const slug = url.searchParams.get("slug");
    if (url.pathname.endsWith("/functions/deploy") && slug !== null)
      deployments.set(slug, await readDeployment(request));
    else await text(request);
    response.writeHead(request.method === "POST" ? 201 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: slug, slug, name: slug, status: "ACTIVE", version: 1 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const profile = { name: "stand-in", api_url: url, dashboard_url: url, docs_url: url };
  const hosts = { project_host: "supabase.invalid", pooler_host: "supabase.invalid", studio_image: "" };
  return {
    profile: JSON.stringify({ ...profile, ...hosts }), // JSON is YAML
    deployments,
    stop: async () => {
      server.close().closeAllConnections();
      await once(server, "close");
    },
  };
}

async function readDeployment(request: IncomingMessage): Promise<Deployment> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const headers = { "content-type": request.headers["content-type"] ?? "" };
  const form = await new Response(Buffer.concat(chunks), { headers }).formData();
  const files = new Map<string, string>();
  for (const part of form.getAll("file")) if (typeof part !== "string") files.set(part.name, await part.text());
  const settings = form.get("metadata");
  return { settings: JSON.parse(typeof settings === "string" ? settings : ((await settings?.text()) ?? "{}")), files };
}
