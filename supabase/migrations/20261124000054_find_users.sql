-- Users who are told of without their Clerk id.

-- Whom a deletion without an id (Clerk's schema allows it) can mean, by its external_id: the living users who have it, else
-- one of the deleted. A user whose newest change is younger than the deletion (p_version; 0: no time is known) got the
-- external_id afterwards, and is somebody else.
create or replace function clerk_sync.users_with_external_id(p_external_id text, p_version bigint)
returns text[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_living text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.external_id = p_external_id
      and s.deleted_at is null
      and (s.version <= p_version or p_version = 0)
  );
begin
  if cardinality(v_living) > 0 then
    return v_living;
  end if;
  return array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.external_id = p_external_id
      and (s.version <= p_version or p_version = 0)
    order by s.version desc, s.clerk_id
    limit 1
  );
end
$$;

revoke execute on function clerk_sync.users_with_external_id from public, anon, authenticated;
grant execute on function clerk_sync.users_with_external_id to service_role;

-- Finds the users of deletions without an id. One that several users are meant by gets none, and fails. While other jobs of
-- the batch tell who has the external_id, the deletion is left to the next batch. Returns the jobs with the users found.
create or replace function clerk_sync.find_users_by_external_id(p_due clerk_sync.due_job[])
returns clerk_sync.due_job[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ids      uuid[] := array(select d.id from unnest(p_due) as d);
  v_nameless uuid[] := array(select d.id from unnest(p_due) as d where d.clerk_id is null);
  v_early    uuid[];
begin
  if cardinality(v_nameless) = 0 then
    return p_due;
  end if;
  v_early := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_nameless)
      and exists (
        select 1
        from public.job_queue as o
        where o.id = any (v_ids)
          and o.job_type <> 'USER_DELETED'
          and (
            o.payload ->> 'external_id' = j.payload ->> 'external_id'
            or o.clerk_id = any (clerk_sync.users_with_external_id(j.payload ->> 'external_id', j.version))
          )
      )
  );
  update public.job_queue as j
  set clerk_id = m.clerk_ids[1]
  from (
    select n.id, clerk_sync.users_with_external_id(n.payload ->> 'external_id', n.version) as clerk_ids
    from public.job_queue as n
    where n.id = any (v_nameless)
      and n.id <> all (v_early)
  ) as m
  where j.id = m.id
    and cardinality(m.clerk_ids) = 1;
  return array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.id = any (v_ids)
      and j.id <> all (v_early)
  );
end
$$;

revoke execute on function clerk_sync.find_users_by_external_id from public, anon, authenticated;
grant execute on function clerk_sync.find_users_by_external_id to service_role;
