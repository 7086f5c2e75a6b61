-- Users who are told of without their Clerk id.

-- user.deleted may come without an id (Clerk's schema allows it): find the user by external_id. A user who
-- was given that external_id after the deletion is somebody else.
create or replace function clerk_sync.find_users_by_external_id(p_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.job_queue as j
  set clerk_id = (
        select s.clerk_id
        from clerk_sync.user_state as s
        where s.external_id = j.payload ->> 'external_id'
          and (s.version <= j.version or j.version = 0)
        order by (s.deleted_at is null) desc, s.version desc, s.clerk_id
        limit 1
      )
  where j.id = any (p_ids)
    and j.clerk_id is null
    and j.payload ->> 'external_id' is not null;
end
$$;

revoke execute on function clerk_sync.find_users_by_external_id from public, anon, authenticated;
grant execute on function clerk_sync.find_users_by_external_id to service_role;
