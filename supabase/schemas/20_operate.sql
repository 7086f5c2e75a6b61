-- What a person does with jobs: find them, try them again, cancel them.

-- Retry and cancel take jobs that are named by id, or all that match a filter. Each returns how many jobs changed. The
-- history of each job says when, and who did it: the operator whom the admin API names (p_by), or else the database user,
-- who gets an entry in the audit as well. (The admin API writes its own, see clerk_sync_note_action.)

-- Queues failed, dead and cancelled jobs from the start: attempts are zero again, the history stays.
create or replace function public.clerk_sync_retry_jobs(
  p_ids uuid[],
  p_now timestamptz default clock_timestamp(),
  p_by  text default null
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[] := array(
    select j.id
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.status in ('FAILED', 'DEAD', 'CANCELLED')
    for update
  );
begin
  if p_by is null then
    perform clerk_sync.audit_edit('retry', cardinality(v_ids), v_ids::text[]);
  end if;
  return clerk_sync.move_jobs(
    v_ids, 'PENDING', p_now,
    p_run_at => p_now,
    p_starts_over => true,
    p_by => coalesce(p_by, clerk_sync.database_user())
  );
end
$$;

-- Takes jobs that are not finished out of the queue. A job that a worker has in flight is cancelled when its attempt ends,
-- unless that completes it: freeing it sooner would let a second mirror call of the user start (law 5).
create or replace function public.clerk_sync_cancel_jobs(
  p_ids uuid[],
  p_now timestamptz default clock_timestamp(),
  p_by  text default null
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[] := array(
    select j.id
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.status in ('PENDING', 'PROCESSING', 'FAILED', 'DEAD')
    for update
  );
begin
  if p_by is null then
    perform clerk_sync.audit_edit('cancel', cardinality(v_ids), v_ids::text[]);
  end if;
  return clerk_sync.move_jobs(v_ids, 'CANCELLED', p_now, p_by => coalesce(p_by, clerk_sync.database_user()));
end
$$;

-- Those of p_allowed that a filter's status, one or several, lets pass.
create or replace function clerk_sync.filter_statuses(
  p_filter  jsonb,
  p_allowed text[] default '{PENDING,PROCESSING,COMPLETED,FAILED,DEAD,CANCELLED}'
)
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array(
    select s.status
    from unnest(p_allowed) as s(status)
    where case jsonb_typeof(p_filter -> 'status')
      when 'array' then (p_filter -> 'status') ? s.status
      else s.status = coalesce(p_filter ->> 'status', s.status)
    end
  );
$$;

-- The statuses of the jobs that match a filter and that retry or cancel changes. Cancelled jobs are retried, and jobs in
-- a worker's hand cancelled, only when the filter names that status. Raises SY002 for another action.
create or replace function clerk_sync.changeable_statuses(p_action text, p_filter jsonb)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_action is null or p_action not in ('retry', 'cancel') then
    raise exception 'p_action is %, it must be retry or cancel', p_action using errcode = 'SY002';
  end if;
  return clerk_sync.filter_statuses(p_filter, case
    when p_action = 'retry' and p_filter ->> 'status' is null then '{FAILED,DEAD}'::text[]
    when p_action = 'retry' then '{FAILED,DEAD,CANCELLED}'
    when p_filter ->> 'status' is null then '{PENDING,FAILED,DEAD}'
    else '{PENDING,PROCESSING,FAILED,DEAD}'
  end);
end
$$;

-- The newest jobs, at most p_limit, that are in one of p_statuses and match every condition of p_filter, which is that of
-- clerk_sync.find_jobs. It looks until it has them, or has seen all in these statuses.
create or replace function clerk_sync.matching_jobs(p_filter jsonb, p_statuses text[], p_limit integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_ids   uuid[] := '{}'::uuid[];
  v_found record;
  v_next  jsonb;
begin
  loop
    select f.ids, f.next
    into v_found
    from clerk_sync.find_jobs(p_filter, p_statuses, v_next, p_limit - cardinality(v_ids), 10000) as f;
    v_ids := v_ids || v_found.ids;
    v_next := v_found.next;
    exit when v_next is null or cardinality(v_ids) >= p_limit;
  end loop;
  return v_ids;
end
$$;

-- How many jobs match a filter, counted as far as p_most.
create or replace function public.clerk_sync_count_jobs(p_filter jsonb, p_most integer default 100000)
returns integer
language plpgsql
stable
set search_path = ''
as $$
begin
  return cardinality(clerk_sync.matching_jobs(p_filter, clerk_sync.filter_statuses(p_filter), p_most));
end
$$;

-- Retries failed and dead jobs that match (cancelled ones only when the filter asks for that status). Call it
-- until it answers 0, with updated_before set to when you began: a job that fails again does not match then.
create or replace function public.clerk_sync_retry_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
begin
  return public.clerk_sync_retry_jobs(
    clerk_sync.matching_jobs(p_filter, clerk_sync.changeable_statuses('retry', p_filter), p_limit), p_now
  );
end
$$;

-- Cancels unfinished jobs that match. Call it until it answers 0; jobs in a worker's hand are asked for only
-- when the filter names the status PROCESSING.
create or replace function public.clerk_sync_cancel_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
begin
  return public.clerk_sync_cancel_jobs(
    clerk_sync.matching_jobs(p_filter, clerk_sync.changeable_statuses('cancel', p_filter), p_limit), p_now
  );
end
$$;

-- What an operator decides about the deletions that wait: 'apply' lets these pass, and only these; 'cancel'
-- takes them out of the queue. The brake is off again when none waits. Answers {changed, left}; call it
-- until nothing is left, each call takes at most p_limit.
create or replace function public.clerk_sync_release_delete_brake(
  p_decision text,
  p_limit    integer default 1000,
  p_now      timestamptz default clock_timestamp(),
  p_by       text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_ids     uuid[];
  v_changed integer;
  v_left    integer;
begin
  if p_decision is null or p_decision not in ('apply', 'cancel') then
    raise exception 'p_decision is %, it must be apply or cancel', p_decision using errcode = 'SY002';
  end if;
  perform 1 from clerk_sync.delete_brake as b for update;
  v_ids := array(
    select j.id
    from public.job_queue as j
    where j.is_held
    limit p_limit
    for update skip locked
  );
  if p_by is null then
    perform clerk_sync.audit_edit(p_decision, cardinality(v_ids), v_ids::text[]);
  end if;
  v_changed := clerk_sync.move_jobs(
    v_ids,
    case p_decision when 'apply' then 'PENDING' else 'CANCELLED' end,
    p_now,
    p_run_at => p_now,
    p_is_confirmed => p_decision = 'apply',
    p_by => coalesce(p_by, clerk_sync.database_user())
  );
  v_left := (public.clerk_sync_delete_brake() ->> 'waiting')::integer;
  update clerk_sync.delete_brake as b
  set engaged_at = null,
      reason = null,
      released_at = p_now
  where v_left = 0;
  return jsonb_build_object('changed', v_changed, 'left', v_left);
end
$$;

-- What an operator does through the admin API, and its entry in the audit: in one transaction, so that neither is
-- without the other.

-- Changes the jobs named or matched: {ids} or {filter, before, limit}, the filter as clerk_sync.find_jobs. before leaves
-- out what was changed since: a job that fails again after its retry does not match. The history of each bears the name
-- of p_actor. Answers how many changed.
create or replace function clerk_sync.change_jobs(p_action text, p_target jsonb, p_actor text, p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_statuses text[] := clerk_sync.changeable_statuses(p_action, coalesce(p_target -> 'filter', '{}'));
  v_ids      uuid[];
begin
  v_ids := case
    when p_target ? 'ids' then array(select i::uuid from jsonb_array_elements_text(p_target -> 'ids') as i)
    else clerk_sync.matching_jobs(
      (p_target -> 'filter') || jsonb_build_object('updated_before', p_target ->> 'before'),
      v_statuses, coalesce((p_target ->> 'limit')::integer, 500)
    )
  end;
  return case p_action
    when 'retry' then public.clerk_sync_retry_jobs(v_ids, p_now, p_actor)
    else public.clerk_sync_cancel_jobs(v_ids, p_now, p_actor)
  end;
end
$$;

-- {changed}: retries or cancels (p_action) what p_target says, a JobAction of admin/contract/jobs.ts, for p_actor. Call it
-- with the same operation and before until changed is 0. The entry's subject is the job when there is one, else the
-- operation (several ids make one of their own); its detail holds the ids, or the filter without q, which may be an
-- email. Nothing changed, nothing noted.
create or replace function public.clerk_sync_admin_change_jobs(
  p_action text,
  p_target jsonb,
  p_actor  text,
  p_now    timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_changed integer := clerk_sync.change_jobs(p_action, p_target, p_actor, p_now);
begin
  if v_changed > 0 then
    perform public.clerk_sync_note_action(
      p_actor, p_action || '_jobs',
      case
        when jsonb_array_length(p_target -> 'ids') = 1 then p_target #>> '{ids,0}'
        else coalesce(p_target ->> 'operation', gen_random_uuid()::text)
      end,
      v_changed,
      case
        when p_target ? 'ids' then jsonb_build_object('jobs', p_target -> 'ids')
        else jsonb_build_object('filter', (p_target -> 'filter') - 'q', 'before', p_target -> 'before')
      end,
      p_now
    );
  end if;
  return jsonb_build_object('changed', v_changed);
end
$$;

-- {count, is_exact}: how many jobs p_action (retry or cancel) would change. is_exact is false when more than p_most jobs
-- would have to be looked at.
create or replace function public.clerk_sync_admin_count(
  p_filter jsonb,
  p_action text,
  p_most   integer default 10000
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('count', cardinality(f.ids), 'is_exact', f.next is null)
    from clerk_sync.find_jobs(p_filter, clerk_sync.changeable_statuses(p_action, p_filter), null, p_most, p_most) as f
  );
end
$$;

-- Takes down that p_actor did p_code to p_subject (a job, a user, a run, an operation …). p_detail holds ids and
-- conditions, never a payload, email or name.
create or replace function public.clerk_sync_note_action(
  p_actor   text,
  p_code    text,
  p_subject text,
  p_count   integer default 1,
  p_detail  jsonb default '{}',
  p_now     timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.add_audit('operator_action', p_actor, p_subject, p_code, p_count, p_detail, p_now);
end
$$;

-- Changes of jobs made by hand, as entries of the audit.

-- Adds an entry for what a person does to jobs in SQL: how many, and the first ten ids.
create or replace function clerk_sync.audit_edit(p_operation text, p_count integer, p_ids text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_count > 0 then
    perform clerk_sync.add_audit(
      'job_edited', clerk_sync.database_user(), '', p_operation, p_count, jsonb_build_object('jobs', p_ids[1:10]), clock_timestamp()
    );
  end if;
end
$$;

create or replace function clerk_sync.record_edit()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    if current_setting('clerk_sync.actor', true) is distinct from 'sync' then
      perform clerk_sync.audit_edit('delete', count(*)::integer, array_agg(g.id::text)) from gone as g;
    end if;
    return null;
  end if;
  perform clerk_sync.audit_edit(
    lower(tg_op), current_setting('clerk_sync.edited_count')::integer, string_to_array(current_setting('clerk_sync.edited_ids'), ',')
  );
  perform set_config('clerk_sync.edited_count', '', true), set_config('clerk_sync.edited_ids', '', true);
  return null;
end
$$;

drop trigger if exists record_edit on public.job_queue;
create trigger record_edit
  after insert or update on public.job_queue
  for each statement
  when (current_setting('clerk_sync.edited_count', true) <> '')
  execute function clerk_sync.record_edit();

drop trigger if exists record_deletion on public.job_queue;
create trigger record_deletion
  after delete on public.job_queue
  referencing old table as gone
  for each statement
  execute function clerk_sync.record_edit();

-- Looking for jobs: what lists, counts and bulk actions find them by. A look is bounded, however long the queue and its
-- history are: it goes through an index, newest first, and says where it stopped.

-- Every job by status and age. In this form, which no other condition implies: no query of the hot path is to be planned
-- with it, it would read all jobs of a status for one user's.
create index if not exists job_queue_list_idx
  on public.job_queue (status, created_at, id)
  where case when id is not null then true end;

-- The ids of the newest p_most jobs in p_statuses that come after p_place ({at, id}) and were received after p_since.
create or replace function clerk_sync.newest_jobs(
  p_statuses text[],
  p_since    timestamptz,
  p_place    jsonb,
  p_most     integer
)
returns uuid[]
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- an index has them in order; what would be sorted is all there is
as $$
declare
  v_at timestamptz := coalesce(p_place ->> 'at', 'infinity')::timestamptz;
  v_id uuid        := coalesce(p_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid;
begin
  return array(
    select n.id
    from unnest(p_statuses) as s(status)
    cross join lateral (
      select j.id, j.created_at
      from public.job_queue as j
      where case when j.id is not null then true end
        and j.status = s.status
        and j.created_at > p_since
        and (j.created_at, j.id) < (v_at, v_id)
      order by j.created_at desc, j.id desc
      limit p_most
    ) as n
    order by n.created_at desc, n.id desc
    limit p_most
  );
end
$$;

-- The same, only of p_ids and of the jobs of these users, unless both are null.
create or replace function clerk_sync.look_at_jobs(
  p_statuses  text[],
  p_ids       uuid[],
  p_clerk_ids text[],
  p_since     timestamptz,
  p_place     jsonb,
  p_most      integer
)
returns uuid[]
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- an index has them in order; what would be sorted is all there is
as $$
declare
  v_at timestamptz := coalesce(p_place ->> 'at', 'infinity')::timestamptz;
  v_id uuid        := coalesce(p_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid;
begin
  if p_ids is null and p_clerk_ids is null then
    return clerk_sync.newest_jobs(p_statuses, p_since, p_place, p_most);
  end if;
  return array(
    select l.id
    from (
      select n.id, n.created_at
      from unnest(p_clerk_ids) as u(clerk_id)
      cross join unnest(p_statuses) as s(status)
      cross join lateral (
        select j.id, j.created_at
        from public.job_queue as j
        where j.clerk_id = u.clerk_id
          and j.status = s.status
          and j.created_at > p_since
          and (j.created_at, j.id) < (v_at, v_id)
        order by j.created_at desc, j.id desc
        limit p_most
      ) as n
      union
      select j.id, j.created_at
      from public.job_queue as j
      where j.id = any (p_ids)
        and j.status = any (p_statuses)
        and j.created_at > p_since
        and (j.created_at, j.id) < (v_at, v_id)
    ) as l
    order by l.created_at desc, l.id desc
    limit p_most
  );
end
$$;

-- Of p_ids, in their order, the jobs that match what clerk_sync.look_at_jobs does not look at.
create or replace function clerk_sync.check_jobs(p_ids uuid[], p_filter jsonb)
returns uuid[]
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_hashjoin = 'off' -- one lookup by key a job, whatever the statistics say
set enable_mergejoin = 'off'
as $$
declare
  v_job_type text        := p_filter ->> 'job_type';
  v_source   text        := p_filter ->> 'source';
  v_clerk_id text        := p_filter ->> 'clerk_id';
  v_event_id text        := p_filter ->> 'event_id';
  v_code     text        := p_filter ->> 'code';
  v_before   timestamptz := (p_filter ->> 'updated_before')::timestamptz;
begin
  return array(
    select i.id
    from unnest(p_ids) with ordinality as i(id, place)
    join public.job_queue as j on j.id = i.id
    where (v_job_type is null or j.job_type = v_job_type)
      and (v_source is null or j.source = v_source)
      and (v_clerk_id is null or j.clerk_id = v_clerk_id)
      and (v_event_id is null or j.event_id = v_event_id)
      and (v_code is null or split_part(j.error, ':', 1) = v_code)
      and (v_before is null or j.updated_at < v_before)
    order by i.place
  );
end
$$;

-- The newest p_limit jobs in p_statuses that come after p_place and match every condition of p_filter: {status, job_type,
-- source, clerk_id, event_id, code, created_after, created_before, updated_before, q}; code is what stands before the
-- colon of the error, q as clerk_sync.search_jobs. For what no index knows (job_type, source, code, updated_before) the
-- newest p_look of them are looked at. next is where the look ended, null when nothing comes after.
create or replace function clerk_sync.find_jobs(
  p_filter   jsonb,
  p_statuses text[],
  p_place    jsonb,
  p_limit    integer,
  p_look     integer,
  out ids    uuid[],
  out next   jsonb
)
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_checks    boolean := p_filter ?| '{job_type,source,code,updated_before,event_id,clerk_id}';
  v_most      integer := case when v_checks then greatest(p_look, p_limit + 1) else p_limit + 1 end;
  v_place     jsonb   := p_place;
  v_ids       uuid[];
  v_clerk_ids text[];
  v_seen      uuid[];
begin
  perform clerk_sync.check_filter_keys(
    p_filter, '{status,job_type,source,clerk_id,event_id,code,created_after,created_before,updated_before,q}'
  );
  if p_filter ->> 'q' is not null then
    select s.ids, s.clerk_ids into v_ids, v_clerk_ids from clerk_sync.search_jobs(p_filter ->> 'q') as s;
  elsif p_filter ->> 'event_id' is not null then
    v_ids := array(select j.id from public.job_queue as j where j.event_id = p_filter ->> 'event_id');
  elsif p_filter ->> 'clerk_id' is not null then
    v_clerk_ids := array[p_filter ->> 'clerk_id'];
  end if;
  if (p_filter ->> 'created_before')::timestamptz <= coalesce(p_place ->> 'at', 'infinity')::timestamptz then
    v_place := jsonb_build_object('at', p_filter ->> 'created_before');
  end if;
  v_seen := clerk_sync.look_at_jobs(
    p_statuses, v_ids, v_clerk_ids, coalesce(p_filter ->> 'created_after', '-infinity')::timestamptz, v_place, v_most
  );
  ids := case when v_checks then clerk_sync.check_jobs(v_seen, p_filter) else v_seen end;
  next := (
    select jsonb_build_object('at', j.created_at, 'id', j.id)
    from public.job_queue as j
    where j.id = case when cardinality(ids) > p_limit then ids[p_limit] else v_seen[v_most] end
  );
  ids := ids[1:p_limit];
end
$$;

-- Free search for jobs: by job id, event id, Clerk id or address.

-- A sign-up that never became a row is found by its address. Addresses end at 320: a longer value must not stop the job.
create index if not exists job_queue_stopped_email_idx
  on public.job_queue (lower(left(payload ->> 'email', 320)))
  where status in ('FAILED', 'DEAD', 'CANCELLED');

-- Jobs whose user has this address, at most 1,000: of the stopped ones all are looked at, of the open ones the newest
-- 1,000. What a completed job brought is in users.
create or replace function clerk_sync.jobs_of_email(p_email text)
returns uuid[]
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_email text := lower(left(p_email, 320));
begin
  return array(
    select j.id
    from public.job_queue as j
    where lower(left(j.payload ->> 'email', 320)) = v_email
      and j.status in ('FAILED', 'DEAD', 'CANCELLED')
    limit 1000
  ) || array(
    select j.id
    from public.job_queue as j
    where j.id = any (clerk_sync.look_at_jobs('{PENDING,PROCESSING}', null, null, '-infinity', null, 1000))
      and lower(left(j.payload ->> 'email', 320)) = v_email
  );
end
$$;

-- What a free text stands for: a job, event or Clerk id, or an address. ids are jobs; all jobs of clerk_ids are meant as
-- well. The address of a row is found as it is written or in lower case, by the unique index of the owner's table; that of a
-- job in any case.
create or replace function clerk_sync.search_jobs(p_q text, out ids uuid[], out clerk_ids text[])
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  ids := array(select j.id from public.job_queue as j where j.event_id = p_q);
  clerk_ids := array[p_q];
  if p_q ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    ids := ids || p_q::uuid;
  end if;
  if position('@' in p_q) > 0 then
    ids := ids || clerk_sync.jobs_of_email(p_q);
    clerk_ids := clerk_ids
      || array(select u.clerk_id::text from public.users as u where u.email in (p_q, lower(p_q)) and u.clerk_id is not null)
      || array(select j.clerk_id from public.job_queue as j where j.id = any (search_jobs.ids) and j.clerk_id is not null);
  end if;
end
$$;
