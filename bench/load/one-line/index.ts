// An Edge Function that does nothing: what Deno itself needs to start and answer.
declare const Deno: { serve: (handler: () => Response) => void };

Deno.serve(() => new Response(null, { status: 202 }));
