import type { System } from "../../e2e/system.ts";

/** Has Supabase Auth refuse this user, as a trigger of the owner's does; the function returned ends that. */
export async function refuseInAuth(system: System, clerkId: string): Promise<() => Promise<void>> {
  await system.query(
    `do $$
     begin
       perform pg_advisory_xact_lock(hashtext('auth.refused'));
       create table if not exists auth.refused (clerk_id text primary key);
       create or replace function auth.refuse() returns trigger language plpgsql as $refuse$
       begin
         if exists (select 1 from auth.refused as r where r.clerk_id = new.raw_app_meta_data ->> 'clerk_id') then
           raise exception 'refused';
         end if;
         return new;
       end
       $refuse$;
       create or replace trigger refuse before insert or update on auth.users for each row execute function auth.refuse();
     end
     $$`,
  );
  await system.query("insert into auth.refused (clerk_id) values ($1)", [clerkId]);
  return async () => {
    await system.query("delete from auth.refused where clerk_id = $1", [clerkId]);
  };
}
