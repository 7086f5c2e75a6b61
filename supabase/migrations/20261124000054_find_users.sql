-- Users who are told of without their Clerk id.

-- user.deleted may come without an id (Clerk's schema allows it): find the user by external_id. A user who
-- was given that external_id after the deletion is somebody else. Returns the jobs with the users found.
create or replace function clerk_sync.find_users_by_external_id(p_due clerk_sync.due_job[])
returns clerk_sync.due_job[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_nameless uuid[] := array(select d.id from unnest(p_due) as d where d.clerk_id is null);
begin
  if cardinality(v_nameless) = 0 then
    return p_due;
  end if;
  update public.job_queue as j
  set clerk_id = (
        select s.clerk_id
        from clerk_sync.user_state as s
        where s.external_id = j.payload ->> 'external_id'
          and (s.version <= j.version or j.version = 0)
        order by (s.deleted_at is null) desc, s.version desc, s.clerk_id
        limit 1
      )
  where j.id = any (v_nameless)
    and j.payload ->> 'external_id' is not null;
  return array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.id = any (array(select d.id from unnest(p_due) as d))
  );
end
$$;

revoke execute on function clerk_sync.find_users_by_external_id from public, anon, authenticated;
grant execute on function clerk_sync.find_users_by_external_id to service_role;
