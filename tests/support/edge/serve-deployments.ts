// Run by Deno. Serves any number of deployments of Edge Functions in one process, each under a name of its own:
// /<deployment>/functions/v1/<function>. POST /deploy adds one. The functions are loaded as they stand: they ask for their
// environment and call Deno.serve while they are loaded, so each is given its own of both for that time.

type Handler = (request: Request) => Response | Promise<Response>;
type Deployment = { name: string; functions: { name: string; module: string; env: Record<string, string> }[] };

declare const Deno: {
  env: { toObject: () => Record<string, string> };
  serve: (handler: Handler) => unknown;
};

const serve = Deno.serve.bind(Deno);
const handlers = new Map<string, Handler>();

async function load({ module, env }: Deployment["functions"][number]): Promise<Handler> {
  const served: Handler[] = [];
  Deno.env.toObject = () => env;
  Deno.serve = (handler) => served.push(handler);
  await import(module);
  const [handler] = served;
  if (handler === undefined) throw new Error(`${module} serves nothing`);
  return handler;
}

async function deploy({ name, functions }: Deployment): Promise<Response> {
  for (const one of functions) handlers.set(`/${name}/functions/v1/${one.name}`, await load(one));
  return Response.json({ functions: functions.length });
}

/** Passes a request on as Supabase's gateway does: its path begins with the function's name. */
async function pass(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const [, name, , , functionName] = url.pathname.split("/");
  const route = `/${name}/functions/v1/${functionName}`;
  const handler = handlers.get(route);
  if (handler === undefined) return Response.json({ code: "NOT_FOUND" }, { status: 404 });
  url.pathname = url.pathname.replace(`/${name}/functions/v1`, "");
  return handler(new Request(url, request));
}

let deploying: Promise<unknown> = Promise.resolve();

serve((request) => {
  if (new URL(request.url).pathname !== "/deploy") return pass(request);
  const deployed = deploying.then(async () => deploy((await request.json()) as Deployment));
  deploying = deployed.catch(() => undefined); // one after the other: what they are given while they load is shared
  return deployed.catch((error: unknown) => new Response(String(error), { status: 500 }));
});
