-- Drops all of clerk-supabase-sync from the database. The mapped tables, like public.users, stay with their rows, rights and
-- policies; only the policies that let members read ("access": "members") go, with the helpers that they use. A policy of
-- yours that uses a helper like clerk.user_id() stops this script, which then drops nothing: change such policies first.
do $$
declare
  v_function regprocedure;
  v_schemas regnamespace[];
  v_schema regnamespace;
  v_policy text;
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

  for v_policy in
    select format('%I on %s', p.polname, p.polrelid::regclass)
    from pg_catalog.pg_policy as p
    where starts_with(obj_description(p.oid, 'pg_policy'), 'Made by clerk-sync.')
      and exists (
        select 1
        from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_policy'::regclass
          and d.objid = p.oid
          and d.refclassid = 'pg_catalog.pg_proc'::regclass
          and starts_with(obj_description(d.refobjid, 'pg_proc'), 'Made by clerk-sync.')
      )
  loop
    execute format('drop policy %s', v_policy);
  end loop;

  -- The helpers for policies. Their schema goes when we made it and nothing else is in it.
  v_schemas := array(
    select n.oid
    from pg_catalog.pg_namespace as n
    where obj_description(n.oid, 'pg_namespace') = 'Made by clerk-sync. Helpers for policies.'
  );
  for v_function in
    select d.objoid
    from pg_catalog.pg_description as d
    where d.classoid = 'pg_catalog.pg_proc'::regclass
      and starts_with(d.description, 'Made by clerk-sync.')
  loop
    execute format('drop function %s', v_function);
  end loop;
  foreach v_schema in array v_schemas loop
    if not exists (select 1 from pg_catalog.pg_class as c where c.relnamespace = v_schema)
      and not exists (select 1 from pg_catalog.pg_proc as p where p.pronamespace = v_schema)
      and not exists (select 1 from pg_catalog.pg_type as t where t.typnamespace = v_schema)
    then
      execute format('drop schema %s', v_schema);
    end if;
  end loop;
end
$$;
