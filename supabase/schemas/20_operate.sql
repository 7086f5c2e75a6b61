-- What a person does with jobs: change them, which is written into their history and the audit, and find them.

-- The one way in which a person changes jobs. Returns how many changed.
--   retry    queues failed, dead and cancelled jobs from the start: attempts are zero again, the history stays
--   cancel   takes jobs that are not finished out of the queue. A job that a worker has in flight is cancelled when its
--            attempt ends, unless that completes it: freeing it sooner would let a second mirror call of the user start (law 5)
--   apply    lets deletions pass that the delete brake holds
-- The history of each job names p_by, the operator of the admin API. Without p_by it names the database user, and the
-- change is an entry of the audit; the admin API writes its own (clerk_sync_note_action).
create or replace function clerk_sync.change_jobs(p_action text, p_ids uuid[], p_now timestamptz, p_by text)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[] := array(
    select j.id
    from public.job_queue as j
    where j.id = any (p_ids)
      and case p_action
        when 'retry' then j.status in ('FAILED', 'DEAD', 'CANCELLED')
        when 'cancel' then j.status in ('PENDING', 'PROCESSING', 'FAILED', 'DEAD')
        when 'apply' then j.is_held
      end
    for update
  );
begin
  if p_by is null then
    perform clerk_sync.audit_edit(p_action, cardinality(v_ids), v_ids::text[]);
  end if;
  return clerk_sync.move_jobs(
    v_ids, case p_action when 'cancel' then 'CANCELLED' else 'PENDING' end, p_now,
    p_run_at => case when p_action <> 'cancel' then p_now end,
    p_is_confirmed => case when p_action = 'apply' then true end,
    p_starts_over => p_action = 'retry',
    p_by => coalesce(p_by, clerk_sync.database_user())
  );
end
$$;

create or replace function public.clerk_sync_retry_jobs(p_ids uuid[], p_now timestamptz default clock_timestamp())
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('retry', p_ids, p_now, null);
$$;

create or replace function public.clerk_sync_cancel_jobs(p_ids uuid[], p_now timestamptz default clock_timestamp())
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('cancel', p_ids, p_now, null);
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
  v_changed integer;
  v_left    integer;
begin
  if p_decision is null or p_decision not in ('apply', 'cancel') then
    raise exception 'p_decision is %, it must be apply or cancel', p_decision using errcode = 'SY002';
  end if;
  perform 1 from clerk_sync.delete_brake as b order by b.kind for update;
  v_changed := clerk_sync.change_jobs(
    p_decision,
    array(select j.id from public.job_queue as j where j.is_held limit p_limit for update skip locked),
    p_now, p_by
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

-- The entries of the audit for all this.

-- Adds that p_actor did p_code to p_subject (a job, a user, a run, an operation …). p_detail holds ids and conditions,
-- never a payload, email or name.
create or replace function public.clerk_sync_note_action(
  p_actor   text,
  p_code    text,
  p_subject text,
  p_count   integer default 1,
  p_detail  jsonb default '{}',
  p_now     timestamptz default clock_timestamp()
)
returns void
language sql
set search_path = ''
as $$
  select clerk_sync.add_audit('operator_action', p_actor, p_subject, p_code, p_count, p_detail, p_now);
$$;

-- Adds an entry for what a person does to jobs in SQL: how many, and the first ten ids.
create or replace function clerk_sync.audit_edit(p_operation text, p_count integer, p_ids text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_count > 0 then
    perform clerk_sync.add_audit(
      'job_edited', clerk_sync.database_user(), '', p_operation, p_count,
      jsonb_build_object('jobs', p_ids[1:10]), clock_timestamp()
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
    perform clerk_sync.audit_edit('delete', count(*)::integer, array_agg(g.id::text))
    from gone as g
    where current_setting('clerk_sync.actor', true) is distinct from 'sync';
  else
    perform clerk_sync.audit_edit(
      lower(tg_op),
      current_setting('clerk_sync.edited_count')::integer,
      string_to_array(current_setting('clerk_sync.edited_ids'), ',')
    );
    perform set_config('clerk_sync.edited_count', '', true), set_config('clerk_sync.edited_ids', '', true);
  end if;
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

-- A sign-up that never became a row is found by its address. Addresses end at 320: a longer value must not stop the job.
create index if not exists job_queue_stopped_email_idx
  on public.job_queue (lower(left(payload ->> 'email', 320)))
  where status in ('FAILED', 'DEAD', 'CANCELLED');

-- What a free text stands for: a job, event or Clerk id, or an address. ids are jobs; all jobs of clerk_ids are meant as
-- well. The address of a row is found as it is written or in lower case, by the unique index of the owner's table; that of
-- a job in any case: of at most 1,000 stopped jobs, and of the newest 1,000 open ones. What a completed job brought is in
-- users.
create or replace function clerk_sync.search_jobs(p_q text, out ids uuid[], out clerk_ids text[])
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_email text := lower(left(p_q, 320));
begin
  ids := array(select j.id from public.job_queue as j where j.event_id = p_q);
  clerk_ids := array[p_q];
  if p_q ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    ids := ids || p_q::uuid;
  end if;
  if position('@' in p_q) > 0 then
    ids := ids || array(
      select j.id
      from public.job_queue as j
      where lower(left(j.payload ->> 'email', 320)) = v_email
        and j.status in ('FAILED', 'DEAD', 'CANCELLED')
      limit 1000
    ) || array(
      select j.id
      from clerk_sync.find_jobs('{"status": ["PENDING", "PROCESSING"]}', 'find', null, 1000, 0) as f
      cross join unnest(f.ids) as i(id)
      join public.job_queue as j on j.id = i.id
      where lower(left(j.payload ->> 'email', 320)) = v_email
    );
    clerk_ids := clerk_ids
      || array(select h.clerk_id from clerk_sync.email_holders(array[p_q, lower(p_q)]) as h where h.clerk_id is not null)
      || array(select j.clerk_id from public.job_queue as j where j.id = any (search_jobs.ids) and j.clerk_id is not null);
  end if;
end
$$;

-- The statuses of the jobs that match a filter (its status is one or several) and that p_action is for. Cancelled jobs are
-- retried, and jobs that a worker has in flight cancelled, only when the filter names that status.
create or replace function clerk_sync.filter_statuses(p_filter jsonb, p_action text default 'find')
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_status jsonb := nullif(p_filter -> 'status', 'null');
begin
  if p_action is null or p_action not in ('find', 'retry', 'cancel') then
    raise exception 'p_action is %, it must be retry or cancel', p_action using errcode = 'SY002';
  end if;
  return array(
    select s.status
    from unnest(case
      when p_action = 'find' then '{PENDING,PROCESSING,COMPLETED,FAILED,DEAD,CANCELLED}'::text[]
      when p_action = 'retry' and v_status is null then '{FAILED,DEAD}'
      when p_action = 'retry' then '{FAILED,DEAD,CANCELLED}'
      when v_status is null then '{PENDING,FAILED,DEAD}'
      else '{PENDING,PROCESSING,FAILED,DEAD}'
    end) as s(status)
    where coalesce(v_status ? s.status, true)
  );
end
$$;

-- The newest p_limit jobs for p_action (find, retry or cancel) that come after p_place and match every condition of
-- p_filter: {status, job_type, source, clerk_id, event_id, code, created_after, created_before, updated_before, q}; code is
-- what stands before the colon of the error, q as clerk_sync.search_jobs. For what no index knows (job_type, source, code,
-- updated_before) the newest p_look of them are looked at. next is where the look ended, null when nothing comes after.
create or replace function clerk_sync.find_jobs(
  p_filter   jsonb,
  p_action   text,
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
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- an index has them in order; what would be sorted is all there is
as $$
declare
  v_q         text        := p_filter ->> 'q';
  v_event_id  text        := p_filter ->> 'event_id';
  v_clerk_id  text        := p_filter ->> 'clerk_id';
  v_updated   timestamptz := (p_filter ->> 'updated_before')::timestamptz;
  v_since     timestamptz := coalesce(p_filter ->> 'created_after', '-infinity')::timestamptz;
  v_before    timestamptz := coalesce(p_filter ->> 'created_before', 'infinity')::timestamptz;
  v_at        timestamptz := coalesce(p_place ->> 'at', 'infinity')::timestamptz;
  v_id        uuid        := coalesce(p_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid;
  v_checks    boolean     := p_filter ?| '{job_type,source,code,updated_before}' or num_nonnulls(v_q, v_event_id, v_clerk_id) > 1;
  v_most      integer     := case when v_checks then greatest(p_look, p_limit + 1) else p_limit + 1 end;
  v_statuses  text[]      := clerk_sync.filter_statuses(p_filter, p_action);
  v_ids       uuid[];
  v_clerk_ids text[];
  v_seen      uuid[];
begin
  perform clerk_sync.check_filter_keys(
    p_filter, '{status,job_type,source,clerk_id,event_id,code,created_after,created_before,updated_before,q}'
  );
  if v_q is not null then
    select s.ids, s.clerk_ids into v_ids, v_clerk_ids from clerk_sync.search_jobs(v_q) as s;
  elsif v_event_id is not null then
    v_ids := array(select j.id from public.job_queue as j where j.event_id = v_event_id);
  elsif v_clerk_id is not null then
    v_clerk_ids := array[v_clerk_id];
  end if;

  v_seen := array(
    select l.id
    from (
      select n.id, n.created_at
      from unnest(v_statuses) as s(status)
      cross join lateral (
        select j.id, j.created_at
        from public.job_queue as j
        where v_ids is null
          and v_clerk_ids is null
          and case when j.id is not null then true end -- job_queue_list_idx
          and j.status = s.status
          and j.created_at > v_since
          and j.created_at < v_before
          and (j.created_at, j.id) < (v_at, v_id)
        order by j.created_at desc, j.id desc
        limit v_most
      ) as n
      union
      select n.id, n.created_at
      from unnest(v_clerk_ids) as u(clerk_id)
      cross join unnest(v_statuses) as s(status)
      cross join lateral (
        select j.id, j.created_at
        from public.job_queue as j
        where j.clerk_id = u.clerk_id
          and j.status = s.status
          and j.created_at > v_since
          and j.created_at < v_before
          and (j.created_at, j.id) < (v_at, v_id)
        order by j.created_at desc, j.id desc
        limit v_most
      ) as n
      union
      select j.id, j.created_at
      from unnest(v_ids) as i(id)
      cross join lateral (select k.* from public.job_queue as k where k.id = i.id offset 0) as j
      where j.status = any (v_statuses)
        and j.created_at > v_since
        and j.created_at < v_before
        and (j.created_at, j.id) < (v_at, v_id)
    ) as l
    order by l.created_at desc, l.id desc
    limit v_most
  );
  ids := v_seen;
  if v_checks then
    ids := array(
      select i.id
      from unnest(v_seen) with ordinality as i(id, place)
      cross join lateral (select k.* from public.job_queue as k where k.id = i.id offset 0) as j
      where (p_filter ->> 'job_type' is null or j.job_type = p_filter ->> 'job_type')
        and (p_filter ->> 'source' is null or j.source = p_filter ->> 'source')
        and (p_filter ->> 'code' is null or split_part(j.error, ':', 1) = p_filter ->> 'code')
        and (v_clerk_id is null or j.clerk_id = v_clerk_id)
        and (v_event_id is null or j.event_id = v_event_id)
        and (v_updated is null or j.updated_at < v_updated)
      order by i.place
    );
  end if;
  next := (
    select jsonb_build_object('at', j.created_at, 'id', j.id)
    from public.job_queue as j
    where j.id = case when cardinality(ids) > p_limit then ids[p_limit] else v_seen[v_most] end
  );
  ids := ids[1:p_limit];
end
$$;

-- What is done to all jobs that match.

-- The newest jobs, at most p_limit, that clerk_sync.find_jobs finds. It looks until it has them, or has seen all.
create or replace function clerk_sync.matching_jobs(p_filter jsonb, p_action text, p_limit integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_ids   uuid[] := array[]::uuid[];
  v_found record;
  v_next  jsonb;
begin
  loop
    select f.ids, f.next
    into v_found
    from clerk_sync.find_jobs(p_filter, p_action, v_next, p_limit - cardinality(v_ids), 10000) as f;
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
language sql
stable
set search_path = ''
as $$
  select cardinality(clerk_sync.matching_jobs(p_filter, 'find', p_most));
$$;

-- Retries failed and dead jobs that match (cancelled ones only when the filter asks for that status). Call it
-- until it answers 0, with updated_before set to when you began: a job that fails again does not match then.
create or replace function public.clerk_sync_retry_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('retry', clerk_sync.matching_jobs(p_filter, 'retry', p_limit), p_now, null);
$$;

-- Cancels unfinished jobs that match. Call it until it answers 0; jobs that a worker has in flight are asked for only
-- when the filter names the status PROCESSING.
create or replace function public.clerk_sync_cancel_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('cancel', clerk_sync.matching_jobs(p_filter, 'cancel', p_limit), p_now, null);
$$;

-- {count, is_exact}: how many jobs p_action (retry or cancel) would change. is_exact is false when more than p_most jobs
-- would have to be looked at.
create or replace function public.clerk_sync_admin_count(p_filter jsonb, p_action text, p_most integer default 10000)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('count', cardinality(f.ids), 'is_exact', f.next is null)
  from clerk_sync.find_jobs(p_filter, p_action, null, p_most, p_most) as f;
$$;

-- {changed}: retries or cancels (p_action) what p_target says, a JobAction of admin/contract/jobs.ts, and adds what
-- p_actor did to the audit, in one transaction. Call it with the same operation and before until changed is 0: before
-- leaves out what changed since, as a job that fails again after its retry. The entry's subject is the job when there is
-- one, else the operation (several ids make one of their own); its detail holds the ids, or the filter without q, which
-- may be an email. When nothing changed, there is no entry.
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
  v_by_id   boolean := p_target ? 'ids';
  v_ids     uuid[];
  v_changed integer;
begin
  if p_action is null or p_action not in ('retry', 'cancel') then
    raise exception 'p_action is %, it must be retry or cancel', p_action using errcode = 'SY002';
  end if;
  v_ids := case
    when v_by_id then array(select i::uuid from jsonb_array_elements_text(p_target -> 'ids') as i)
    else clerk_sync.matching_jobs(
      (p_target -> 'filter') || jsonb_build_object('updated_before', p_target ->> 'before'),
      p_action, coalesce((p_target ->> 'limit')::integer, 500)
    )
  end;
  v_changed := clerk_sync.change_jobs(p_action, v_ids, p_now, p_actor);
  if v_changed > 0 then
    perform public.clerk_sync_note_action(
      p_actor, p_action || '_jobs',
      case
        when cardinality(v_ids) = 1 and v_by_id then v_ids[1]::text
        else coalesce(p_target ->> 'operation', gen_random_uuid()::text)
      end,
      v_changed,
      case
        when v_by_id then jsonb_build_object('jobs', v_ids)
        else jsonb_build_object('filter', (p_target -> 'filter') - 'q', 'before', p_target -> 'before')
      end,
      p_now
    );
  end if;
  return jsonb_build_object('changed', v_changed);
end
$$;
