-- auth.users and auth.identities as Supabase Auth (GoTrue v2.197) leaves them after its own migrations: the
-- tables behind local/supabase/auth. Runs on PostgreSQL 15 to 18 and any number of times. An auth.users that
-- is already there, such as that of a real Supabase project, is left as it is: the comment on the table is
-- how the server tells the two apart, so only a table made here may carry it.
create schema if not exists auth;

do $$
begin
  if to_regclass('auth.users') is not null then
    return;
  end if;

  create table auth.users (
    instance_id                 uuid,
    id                          uuid         not null,
    aud                         varchar(255),
    role                        varchar(255),
    email                       varchar(255),
    encrypted_password          varchar(255),
    email_confirmed_at          timestamptz,
    invited_at                  timestamptz,
    confirmation_token          varchar(255),
    confirmation_sent_at        timestamptz,
    recovery_token              varchar(255),
    recovery_sent_at            timestamptz,
    email_change_token_new      varchar(255),
    email_change                varchar(255),
    email_change_sent_at        timestamptz,
    last_sign_in_at             timestamptz,
    raw_app_meta_data           jsonb,
    raw_user_meta_data          jsonb,
    is_super_admin              boolean,
    created_at                  timestamptz,
    updated_at                  timestamptz,
    phone                       text                  default null,
    phone_confirmed_at          timestamptz,
    phone_change                text                  default '',
    phone_change_token          varchar(255)          default '',
    phone_change_sent_at        timestamptz,
    confirmed_at                timestamptz           generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    email_change_token_current  varchar(255)          default '',
    email_change_confirm_status smallint              default 0,
    banned_until                timestamptz,
    reauthentication_token      varchar(255)          default '',
    reauthentication_sent_at    timestamptz,
    is_sso_user                 boolean      not null default false,
    deleted_at                  timestamptz,
    is_anonymous                boolean      not null default false,
    constraint users_pkey primary key (id),
    constraint users_phone_key unique (phone),
    constraint users_email_change_confirm_status_check check (email_change_confirm_status between 0 and 2)
  );

  create unique index users_email_partial_key on auth.users (email) where (is_sso_user = false);
  create index users_instance_id_email_idx on auth.users (instance_id, lower(email));
  create index users_instance_id_idx on auth.users (instance_id);
  create index users_is_anonymous_idx on auth.users (is_anonymous);

  create table auth.identities (
    provider_id     text        not null,
    user_id         uuid        not null,
    identity_data   jsonb       not null,
    provider        text        not null,
    last_sign_in_at timestamptz,
    created_at      timestamptz,
    updated_at      timestamptz,
    email           text                 generated always as (lower(identity_data ->> 'email')) stored,
    id              uuid        not null default gen_random_uuid(),
    constraint identities_pkey primary key (id),
    constraint identities_provider_id_provider_unique unique (provider_id, provider),
    constraint identities_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
  );

  create index identities_email_idx on auth.identities (email text_pattern_ops);
  create index identities_user_id_idx on auth.identities (user_id);

  alter table auth.users enable row level security;
  alter table auth.identities enable row level security;
  revoke all on auth.users, auth.identities from public;

  comment on table auth.users is 'clerk-supabase-sync local stand-in';
end
$$;

-- What signing in needs. Beside the tables of a stand-in that is there already, too; never in those of a real Supabase.
do $$
begin
  if obj_description('auth.users'::regclass, 'pg_class') is distinct from 'clerk-supabase-sync local stand-in' then
    return;
  end if;

  create table if not exists auth.sessions (
    id         uuid        not null default gen_random_uuid() primary key,
    user_id    uuid        not null references auth.users (id) on delete cascade,
    created_at timestamptz not null default now()
  );

  create table if not exists auth.refresh_tokens (
    token      text not null primary key,
    session_id uuid not null references auth.sessions (id) on delete cascade
  );

  create table if not exists auth.one_time_tokens (
    user_id    uuid        not null references auth.users (id) on delete cascade,
    token_type text        not null,
    token_hash text        not null,
    created_at timestamptz not null default now(),
    primary key (user_id, token_type)
  );

  create table if not exists auth.flow_state (
    auth_code  text        not null primary key,
    user_id    uuid        not null,
    created_at timestamptz not null default now()
  );

  create table if not exists auth.mfa_factors (
    id          uuid not null default gen_random_uuid() primary key,
    user_id     uuid not null references auth.users (id) on delete cascade,
    factor_type text not null,
    status      text not null
  );

  create table if not exists auth.webauthn_credentials (
    id      uuid not null default gen_random_uuid() primary key,
    user_id uuid not null references auth.users (id) on delete cascade
  );

  alter table auth.sessions enable row level security;
  alter table auth.refresh_tokens enable row level security;
  alter table auth.one_time_tokens enable row level security;
  alter table auth.flow_state enable row level security;
  alter table auth.mfa_factors enable row level security;
  alter table auth.webauthn_credentials enable row level security;
  revoke all on auth.sessions, auth.refresh_tokens, auth.one_time_tokens, auth.flow_state, auth.mfa_factors,
    auth.webauthn_credentials from public;
end
$$;
