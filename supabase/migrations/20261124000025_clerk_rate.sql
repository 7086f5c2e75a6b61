-- The budget of requests to Clerk's API. The rate is the instance's (1,000 requests in 10 s in production, 100 in
-- development), whoever asks: functions, server and command line take from the same row before they ask.
create table if not exists clerk_sync.clerk_rate (
  is_only_row boolean   not null default true,
  slot        bigint    not null default 0,
  used        integer[] not null default array_fill(0, array[11]),
  constraint clerk_rate_pkey primary key (is_only_row),
  constraint one_row check (is_only_row),
  constraint eleven_slots check (cardinality(used) = 11)
);

comment on column clerk_sync.clerk_rate.used is
  'requests taken in each tenth of the window, the newest first; eleven of them cover any whole window';

insert into clerk_sync.clerk_rate (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

alter table clerk_sync.clerk_rate enable row level security;
revoke all on clerk_sync.clerk_rate from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.clerk_rate to service_role;

drop policy if exists clerk_rate_service_role on clerk_sync.clerk_rate;
create policy clerk_rate_service_role
  on clerk_sync.clerk_rate
  for all
  to service_role
  using (true)
  with check (true);

-- Takes up to p_wanted requests out of p_rate in any p_window_seconds; answers {granted, wait_milliseconds}. When
-- nothing is granted, something is again after the wait. Who passes a smaller p_rate leaves the rest to others: what
-- they took counts against it. The cost is one row, however much is taken.
create or replace function public.clerk_sync_take_clerk_requests(
  p_wanted         integer,
  p_rate           integer,
  p_window_seconds integer default 10,
  p_now            timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_milliseconds numeric := extract(epoch from p_now) * 1000;
  v_length       integer := p_window_seconds * 100; -- of a slot
  v_slot         bigint  := floor(v_milliseconds / v_length);
  v_last         bigint;
  v_used         integer[];
  v_granted      integer;
  v_slots        integer := 0;
begin
  select r.slot, r.used
  into v_last, v_used
  from clerk_sync.clerk_rate as r
  for update;
  if abs(v_slot - v_last) >= 11 then
    v_used := array_fill(0, array[11]);
  elsif v_slot > v_last then
    v_used := (array_fill(0, array[(v_slot - v_last)::integer]) || v_used)[1:11];
  else
    v_slot := v_last; -- another caller's clock_timestamp() is ahead
  end if;
  v_granted := greatest(0, least(p_wanted, p_rate - (select sum(u) from unnest(v_used) as u)));
  v_used[1] := v_used[1] + v_granted;
  update clerk_sync.clerk_rate as r
  set slot = v_slot,
      used = v_used;
  if v_granted = 0 then
    v_slots := (
      select min(k)
      from generate_series(1, 11) as k
      where k = 11
         or (select sum(u) from unnest(v_used[1:11 - k]) as u) < p_rate
    );
  end if;
  return jsonb_build_object(
    'granted', v_granted,
    'wait_milliseconds', case when v_granted > 0 then 0 else ceil((v_slot + v_slots) * v_length - v_milliseconds) end
  );
end
$$;

revoke execute on function public.clerk_sync_take_clerk_requests from public, anon, authenticated;
grant execute on function public.clerk_sync_take_clerk_requests to service_role;
