-- Queue and state are not published to Supabase Realtime: of a deleted row it tells every subscriber the key, whatever
-- row level security says. The publication is the owner's; the table of users may be in it.
begin;
select plan(1);

select is_empty(
  $$
    select t.schemaname || '.' || t.tablename
    from pg_catalog.pg_publication_tables as t
    where t.pubname = 'supabase_realtime'
      and (t.schemaname = 'clerk_sync' or (t.schemaname = 'public' and t.tablename = 'job_queue'))
  $$,
  'no table of the sync is in supabase_realtime'
);

select * from finish();
rollback;
