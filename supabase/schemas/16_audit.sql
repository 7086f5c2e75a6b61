-- The audit of the queue: what was refused, not applied, odd, or done by hand, with time and source; no payload, email or
-- name. Kinds:
--   delivery_refused   the signature was missing, wrong or too old (code), from this source as the gateway gave it
--   instance_unknown   a signed event of a Clerk instance (subject) that is not ours; not applied
--   sample_event       an example of Clerk's dashboard; proves the set-up, nothing is stored
--   event_trimmed      events that lack fields (subject) which Clerk's events have; applied, and their users are read again
--   job_edited         a person made, changed, deleted, retried or cancelled jobs in SQL (code) as this database user (source)
--   burst              more events within five minutes than any app is known to have
--   flapping_user      one user (subject) with very many events within an hour
--   operator_action    what an operator (source) did (code) through the admin API, to which job, user, operation … (subject)
-- One row stands for all equal entries of a minute, so that a flood is a number and not a full disk.
create table if not exists clerk_sync.audit (
  kind    text        not null,
  at      timestamptz not null,
  source  text        not null default '',
  subject text        not null default '',
  code    text        not null default '',
  count   integer     not null default 1,
  last_at timestamptz not null,
  detail  jsonb       not null default '{}',
  constraint audit_pkey primary key (kind, at, source, subject, code),
  constraint audit_kind_is_known check (kind in (
    'delivery_refused', 'instance_unknown', 'sample_event', 'event_trimmed', 'job_edited', 'burst', 'flapping_user',
    'operator_action'
  ))
);

create index if not exists audit_at_idx on clerk_sync.audit (at);

-- Adds to the row of this minute, which has 50 of a kind at most and "(other)" for the rest; actions are kept all.
create or replace function clerk_sync.add_audit(
  p_kind    text,
  p_source  text,
  p_subject text,
  p_code    text,
  p_count   integer,
  p_detail  jsonb,
  p_at      timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_at      timestamptz := date_trunc('minute', p_at);
  v_source  text := left(coalesce(p_source, ''), 200);
  v_subject text := left(coalesce(p_subject, ''), 200);
begin
  if p_kind <> 'operator_action' and (
    select count(*) >= 50 and not coalesce(bool_or(a.source = v_source and a.subject = v_subject), false)
    from clerk_sync.audit as a
    where a.kind = p_kind
      and a.at = v_at
  ) then
    v_source := '(other)';
    v_subject := '';
  end if;
  insert into clerk_sync.audit as a (kind, at, source, subject, code, count, last_at, detail)
  values (p_kind, v_at, v_source, v_subject, left(coalesce(p_code, ''), 100), p_count, p_at, coalesce(p_detail, '{}'))
  on conflict (kind, at, source, subject, code) do update
    set count = a.count + excluded.count,
        last_at = greatest(a.last_at, excluded.last_at),
        detail = a.detail || excluded.detail;
end
$$;

-- Looks at what came within the last hour, the newest 20,000 jobs of each status, for bursts and for users that flap. An
-- hour has one row of each, with the highest count. Answers how many were found.
create or replace function public.clerk_sync_audit_jobs(
  p_now      timestamptz default clock_timestamp(),
  p_burst    integer default 3000,
  p_flapping integer default 20
)
returns integer
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_found integer;
begin
  with recent as materialized (
    select n.clerk_id, n.created_at
    from unnest('{PENDING,PROCESSING,COMPLETED,FAILED,DEAD,CANCELLED}'::text[]) as s(status)
    cross join lateral (
      select j.clerk_id, j.created_at, j.source
      from public.job_queue as j
      where case when j.id is not null then true end -- job_queue_list_idx
        and j.status = s.status
        and j.created_at > p_now - interval '1 hour'
      order by j.created_at desc
      limit 20000
    ) as n
    where n.source = 'webhook'
  ),
  odd as (
    select 'burst' as kind, '' as subject, count(*)::integer as count
    from recent as r
    where r.created_at > p_now - interval '5 minutes'
    having count(*) > p_burst
    union all
    select 'flapping_user', r.clerk_id, count(*)::integer
    from recent as r
    where r.clerk_id is not null
    group by r.clerk_id
    having count(*) > p_flapping
    order by 3 desc
    limit 50
  )
  insert into clerk_sync.audit as a (kind, at, subject, count, last_at)
  select o.kind, date_trunc('hour', p_now), o.subject, o.count, p_now
  from odd as o
  on conflict (kind, at, source, subject, code) do update
    set count = greatest(a.count, excluded.count),
        last_at = case when excluded.count > a.count then excluded.last_at else a.last_at end;
  get diagnostics v_found = row_count;
  return v_found;
end
$$;

-- Raises SY002 for a filter with an unknown key: a misspelt condition would match everything.
create or replace function clerk_sync.check_filter_keys(p_filter jsonb, p_known text[])
returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_unknown text[];
begin
  if jsonb_typeof(p_filter) is distinct from 'object' then
    raise exception 'the filter must be a JSON object' using errcode = 'SY002';
  end if;
  v_unknown := array(select k from jsonb_object_keys(p_filter) as k where k <> all (p_known));
  if cardinality(v_unknown) > 0 then
    raise exception 'the filter has unknown keys: %', array_to_string(v_unknown, ', ')
      using errcode = 'SY002', hint = 'Known are ' || array_to_string(p_known, ', ') || '.';
  end if;
end
$$;

-- The newest entries that match p_filter ({kind, since, source, subject}), at most p_limit, newest first.
create or replace function public.clerk_sync_audit(p_filter jsonb default '{}', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select clerk_sync.check_filter_keys(p_filter, '{kind,since,source,subject}');
  select coalesce(jsonb_agg(to_jsonb(e) order by e.last_at desc), '[]')
  from (
    select a.*
    from clerk_sync.audit as a
    where a.kind = coalesce(p_filter ->> 'kind', a.kind)
      and a.source = coalesce(p_filter ->> 'source', a.source)
      and a.subject = coalesce(p_filter ->> 'subject', a.subject)
      and a.last_at >= coalesce((p_filter ->> 'since')::timestamptz, '-infinity')
    order by a.last_at desc
    limit p_limit
  ) as e;
$$;
