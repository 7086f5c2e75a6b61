-- Users of ours that Clerk has not shown to the compare under way, and whether they tell that Clerk is another instance.

-- Whether a user came within the last quarter of an hour: after the walk had passed, or while Clerk's list does not show
-- everybody yet. The next compare looks after them.
create or replace function clerk_sync.is_newcomer(p_clerk_id text, p_now timestamptz)
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select exists (
    select 1
    from clerk_sync.user_state as s
    where s.clerk_id = p_clerk_id
      and s.first_seen_at > p_now - interval '15 minutes'
  );
$$;

revoke execute on function clerk_sync.is_newcomer from public, anon, authenticated;
grant execute on function clerk_sync.is_newcomer to service_role;

drop function if exists public.clerk_sync_unmarked_users(text, integer); -- before it was told of the instances

-- Users of ours that the compare under way was not shown by Clerk, after p_after in the order of their ids, at most
-- p_limit: {clerk_ids, foreign, next}; next is null at the end. foreign are those of them that never came through the
-- sync: seeded, or of another instance; all of them where events of several instances came (p_several), for one key
-- cannot know the users of another. Looks at some thousand rows a call.
create or replace function public.clerk_sync_unmarked_users(
  p_after   text default '',
  p_limit   integer default 100,
  p_several boolean default true,
  p_now     timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_scanned text[] := array(
    select u.clerk_id
    from public.users as u
    where u.clerk_id > p_after
      and u.deleted_at is null
      and not clerk_sync.is_canary(u.clerk_id)
      and u.clerk_id <> 'NULL'
    order by u.clerk_id
    limit 5000
  );
  v_unmarked text[] := array(
    select i
    from unnest(v_scanned) as i
    where not exists (select 1 from clerk_sync.run_marks as m where m.clerk_id = i)
      and not clerk_sync.is_newcomer(i, p_now)
    order by i
    limit p_limit
  );
begin
  return jsonb_build_object(
    'clerk_ids', v_unmarked,
    'foreign', to_jsonb(array(
      select i
      from unnest(v_unmarked) as i
      where p_several
         or not exists (select 1 from clerk_sync.user_state as s where s.clerk_id = i and s.version > 0)
    )),
    'next', case
      when cardinality(v_unmarked) = p_limit then v_unmarked[p_limit]
      else v_scanned[5000]
    end
  );
end
$$;

revoke execute on function public.clerk_sync_unmarked_users from public, anon, authenticated;
grant execute on function public.clerk_sync_unmarked_users to service_role;

-- True once the sync has written a user. Rows that never came through it tell nothing of the instance, unless they are
-- all there is.
create or replace function clerk_sync.has_synced_users()
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select exists (
    select 1
    from clerk_sync.user_state as s
    where s.version > 0
      and s.deleted_at is null
      and not clerk_sync.is_canary(s.clerk_id)
  );
$$;

revoke execute on function clerk_sync.has_synced_users from public, anon, authenticated;
grant execute on function clerk_sync.has_synced_users to service_role;

drop function if exists public.clerk_sync_count_unmarked(); -- before it had a parameter

-- {users, unmarked, several}: how many users we have, how many of them Clerk has not shown to the compare under way, and
-- whether events of several Clerk instances came. Newcomers do not count.
create or replace function public.clerk_sync_count_unmarked(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_has_synced boolean := clerk_sync.has_synced_users();
begin
  return (
    select jsonb_build_object(
      'users', count(*),
      'unmarked', count(*) filter (where m.clerk_id is null),
      'several', jsonb_array_length(public.clerk_sync_instances()) > 1
    )
    from public.users as u
    left join clerk_sync.user_state as s on s.clerk_id = u.clerk_id
    left join clerk_sync.run_marks as m on m.clerk_id = u.clerk_id
    where u.clerk_id is not null
      and u.deleted_at is null
      and not clerk_sync.is_canary(u.clerk_id)
      and (s.version > 0 or not v_has_synced)
      and coalesce(s.first_seen_at <= p_now - interval '15 minutes', true)
  );
end
$$;

revoke execute on function public.clerk_sync_count_unmarked from public, anon, authenticated;
grant execute on function public.clerk_sync_count_unmarked to service_role;

-- Users of ours drawn at random, at most p_limit: [clerk_id].
create or replace function public.clerk_sync_sample_users(p_limit integer default 100)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_has_synced boolean := clerk_sync.has_synced_users();
begin
  return (
    select coalesce(jsonb_agg(d.clerk_id), '[]')
    from (
      select u.clerk_id
      from public.users as u
      left join clerk_sync.user_state as s on s.clerk_id = u.clerk_id
      where u.clerk_id is not null
        and u.deleted_at is null
        and not clerk_sync.is_canary(u.clerk_id)
        and (s.version > 0 or not v_has_synced)
      order by random()
      limit p_limit
    ) as d
  );
end
$$;

revoke execute on function public.clerk_sync_sample_users from public, anon, authenticated;
grant execute on function public.clerk_sync_sample_users to service_role;
