-- Whether the database takes writes. A host makes a database read-only when its disk is full; reading goes on, and every
-- event is refused.

-- One row, written anew by each test. An empty table needs a new page for it, which a full disk cannot give.
create table if not exists clerk_sync.write_test (
  tested_at timestamptz not null
);

alter table clerk_sync.write_test enable row level security;
revoke all on clerk_sync.write_test from public, anon, authenticated;
grant select, insert, update, delete, truncate on clerk_sync.write_test to service_role;

drop policy if exists write_test_service_role on clerk_sync.write_test;
create policy write_test_service_role
  on clerk_sync.write_test
  for all
  to service_role
  using (true)
  with check (true);

-- Why nothing can be written, with its SQLSTATE; null when a write of the last ten seconds succeeded, or one made now.
-- A caller whose own transaction only reads learns nothing, and neither does one while another caller tests.
create or replace function public.clerk_sync_write_failure()
returns text
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now     timestamptz := clock_timestamp();
  v_message text;
begin
  if current_setting('transaction_read_only')::boolean
    and not current_setting('default_transaction_read_only')::boolean
    and not pg_is_in_recovery() then
    return null;
  end if;
  if not pg_try_advisory_xact_lock(7461204) then
    return null;
  end if;
  if exists (select 1 from clerk_sync.write_test as t where t.tested_at > v_now - interval '10 seconds')
    and not current_setting('transaction_read_only')::boolean then
    return null;
  end if;
  truncate clerk_sync.write_test;
  insert into clerk_sync.write_test (tested_at) values (v_now);
  return null;
exception
  when others then -- the answer says it
    get stacked diagnostics v_message = message_text;
    return format('%s: %s', sqlstate, v_message);
end
$$;

revoke execute on function public.clerk_sync_write_failure from public, anon, authenticated;
grant execute on function public.clerk_sync_write_failure to service_role;
