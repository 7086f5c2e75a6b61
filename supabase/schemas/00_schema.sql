-- The private schema clerk_sync, which the API does not expose: records and the pieces of the sync. What an adapter may
-- call lives in public as clerk_sync_*. Rights are given in 23_rights.sql.

-- Before the first release no commit changes what an earlier one made. A database of an earlier commit is refused here,
-- before anything is changed.
do $$
declare
  v_version text;
begin
  if to_regclass('clerk_sync.user_state') is null then
    return;
  end if;
  if to_regprocedure('public.clerk_sync_schema_version()') is not null then
    v_version := public.clerk_sync_schema_version();
  end if;
  -- with a note of its objects (01_objects.sql) a database is of this version, whatever another tool has dropped since
  if coalesce(v_version, '') < '20261130000000' and not (v_version is null and to_regclass('clerk_sync.objects') is not null)
    or to_regclass('clerk_sync.records') is null and to_regclass('clerk_sync.objects') is null
  then
    raise exception 'this database was made by a commit before the first release, and cannot be changed to this version'
      using errcode = 'SY004',
            hint = 'Nothing was changed. Run templates/sql/drop.sql first, which keeps public.users, or use an empty database.';
  end if;
end
$$;

create schema if not exists clerk_sync;
