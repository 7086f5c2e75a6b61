-- Drops all of clerk-supabase-sync from the database. public.users stays, with its rows, rights and policies.
do $$
declare
  v_function regprocedure;
begin
  if to_regprocedure('public.clerk_sync_unschedule()') is not null then
    perform public.clerk_sync_unschedule();
  end if;
  if to_regclass('vault.secrets') is not null then
    delete from vault.secrets as s where s.name in ('clerk_sync_project_url', 'clerk_sync_processor_secret');
  end if;
  drop schema if exists clerk_sync cascade; -- first: it has views of the queue
  drop table if exists public.job_queue;
  drop schema if exists clerk_sync_migrations cascade;
  for v_function in
    select p.oid
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.proname like 'clerk\_sync\_%'
  loop
    execute format('drop function %s', v_function);
  end loop;
end
$$;
