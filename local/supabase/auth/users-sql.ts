import type pg from "pg";
import { databaseStep } from "./auth-error.ts";
import type { SortDirection } from "./list-page.ts";
import { nilUuid } from "./parse-uuid.ts";
import { obscuredProviderId, type SoftDeletion } from "./soft-deleted-user.ts";
import type { Identity, Metadata, User, UserChanges, UserWithIdentities } from "./user.ts";

export type IdentityChanges = { created: Identity[]; updated: { id: string; identity_data: Metadata }[] };
type ListQuery = { audience: string; filter: string; limit: bigint; offset: bigint; sort: SortDirection[] };

const userColumns = `
  id, coalesce(aud, '') as aud, coalesce(role, '') as role, email, encrypted_password, email_confirmed_at, invited_at,
  phone, phone_confirmed_at, confirmation_sent_at, confirmed_at, recovery_sent_at, email_change, email_change_sent_at,
  phone_change, phone_change_sent_at, reauthentication_sent_at, last_sign_in_at, created_at, updated_at, banned_until,
  coalesce(nullif(raw_app_meta_data, 'null'), '{}') as raw_app_meta_data,
  coalesce(nullif(raw_user_meta_data, 'null'), '{}') as raw_user_meta_data, deleted_at, is_anonymous`;

/** GoTrue scans these into Go's strings, which NULL is not: a row that holds one cannot be read (models.User). */
const stringColumns = [
  ...["confirmation_token", "recovery_token", "email_change_token_current", "email_change_token_new", "email_change"],
  ...["phone_change_token", "phone_change", "reauthentication_token"],
];
const nullColumn = `case ${stringColumns.map((name) => `when ${name} is null then '${name}'`).join(" ")} end as null_column`;

type ScannedUser = User & { null_column: string | null };

/** Throws what GoTrue's driver says of NULL; one such row fails a whole page. */
function requireText({ null_column }: Pick<ScannedUser, "null_column">): void {
  if (null_column === null) return;
  throw new Error(`sql: Scan error on column "${null_column}": converting NULL to string is unsupported`);
}

function scanUser({ null_column, ...user }: ScannedUser): User {
  requireText({ null_column });
  return user;
}

/** One user with identities; undefined when there is none. Users of another instance_id do not exist for GoTrue. */
export async function findUser(pool: pg.Pool, id: string): Promise<UserWithIdentities | undefined> {
  const users = await pool.query<ScannedUser>(
    `select ${userColumns}, ${nullColumn}
     from auth.users
     where instance_id = $1
       and id = $2`,
    [nilUuid, id],
  );
  const [user] = users.rows.map(scanUser);
  if (user === undefined) return undefined;
  const identities = await pool.query<Identity>(
    `select id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at, email
     from auth.identities
     where user_id = $1
     order by created_at, provider`,
    [id],
  );
  return { user, identities: identities.rows };
}

/** True when an identity or a user of this audience holds the address; those of single sign-on do not count. */
export async function isEmailTaken(pool: pg.Pool, email: string, audience: string): Promise<boolean> {
  const { rows } = await pool.query<{ null_column: string | null }>(
    `select ${nullColumn}
     from auth.identities as i
     join auth.users as u on u.id = i.user_id
     where i.email = $1
       and i.provider not like 'sso:%'
       and u.aud = $2
     union all
     select ${nullColumn}
     from auth.users as u
     where u.instance_id = $3
       and lower(u.email) = $1
       and u.aud = $2
       and not u.is_sso_user
     limit 1`,
    [email, audience, nilUuid],
  );
  return rows.map(requireText).length > 0;
}

/** True when a user of this audience holds the number. */
export async function isPhoneTaken(pool: pg.Pool, phone: string, audience: string): Promise<boolean> {
  const { rows } = await pool.query<{ null_column: string | null }>(
    `select ${nullColumn}
     from auth.users as u
     where u.instance_id = $1
       and u.phone = $2
       and u.aud = $3
       and not u.is_sso_user
     limit 1`,
    [nilUuid, phone, audience],
  );
  return rows.map(requireText).length > 0;
}

/** Writes a new user and its identities in one transaction. */
export async function insertUser(pool: pg.Pool, { user, identities }: UserWithIdentities): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      `insert into auth.users (
         instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, phone, phone_confirmed_at,
         raw_app_meta_data, raw_user_meta_data, created_at, updated_at, banned_until, is_anonymous,
         confirmation_token, recovery_token, email_change_token_new, email_change
       )
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, '', '', '', '')`,
      [
        ...[nilUuid, user.id, user.aud, user.role, user.email, user.encrypted_password, user.email_confirmed_at],
        ...[user.phone, user.phone_confirmed_at, JSON.stringify(user.raw_app_meta_data)],
        ...[JSON.stringify(user.raw_user_meta_data), user.created_at, user.updated_at, user.banned_until],
        user.is_anonymous,
      ],
    );
    for (const identity of identities) await insertIdentity(client, identity);
  });
}

/** Writes the changes of one user and of its identities in one transaction. */
export async function updateUser(
  pool: pg.Pool,
  id: string,
  changes: UserChanges,
  identities: IdentityChanges,
): Promise<void> {
  await inTransaction(pool, async (client) => {
    for (const identity of identities.created) await insertIdentity(client, identity);
    for (const { id: identityId, identity_data } of identities.updated) {
      await client.query(
        `update auth.identities
         set identity_data = $2
         where id = $1`,
        [identityId, JSON.stringify(identity_data)],
      );
    }
    await updateUserColumns(client, id, changes);
    await endWaysIn(client, id, changes);
  });
}

/** A new password ends all sessions; that and a confirmation empty the links that were mailed. */
async function endWaysIn(client: pg.PoolClient, id: string, changes: UserChanges): Promise<void> {
  const isConfirmed = changes.email_confirmed_at !== undefined || changes.phone_confirmed_at !== undefined;
  if (changes.encrypted_password !== undefined)
    await client.query("delete from auth.sessions where user_id = $1", [id]);
  if (changes.encrypted_password === undefined && !isConfirmed) return;
  await client.query("delete from auth.one_time_tokens where user_id = $1", [id]);
}

/** Removes a user; its identities go with it. */
export async function deleteUser(pool: pg.Pool, id: string): Promise<void> {
  await pool.query("delete from auth.users where id = $1", [id]);
}

/** Keeps the row of a user and makes it and its identities unusable, in one transaction. */
export async function softDeleteUser(pool: pg.Pool, deletion: SoftDeletion, identities: Identity[]): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      `update auth.users
       set email = $2, phone = $3, email_change = $4, phone_change = $5, encrypted_password = null,
           confirmation_token = '', recovery_token = '', email_change_token_current = '',
           email_change_token_new = '', phone_change_token = '', raw_app_meta_data = '{}',
           raw_user_meta_data = '{}', deleted_at = now(), updated_at = now()
       where id = $1`,
      [deletion.id, deletion.email, deletion.phone, deletion.email_change, deletion.phone_change],
    );
    for (const identity of identities) {
      await client.query(
        `update auth.identities
         set identity_data = '{}',
             provider_id = $2
         where id = $1`,
        [identity.id, obscuredProviderId(identity)],
      );
    }
  });
}

/** One page of the users of an audience, and how many there are. The filter is part of LIKE patterns, not escaped. */
export async function listUsers(pool: pg.Pool, query: ListQuery): Promise<{ users: User[]; total: bigint }> {
  const matching = `
    from auth.users
    where instance_id = $1
      and aud = $2
      and ($3 = '' or email like '%' || $3 || '%' or raw_user_meta_data ->> 'full_name' ilike '%' || $3 || '%')`;
  const parameters = [nilUuid, query.audience, query.filter];
  const counted = await pool.query<{ total: string }>(`select count(*)::text as total ${matching}`, parameters);
  const order = query.sort.map((direction) => `created_at ${direction}`).join(", ");
  const page = await pool.query<ScannedUser>(
    `select ${userColumns}, ${nullColumn} ${matching}
     order by ${order}
     limit $4
     offset $5`,
    [...parameters, String(query.limit), String(query.offset)],
  );
  return { users: page.rows.map(scanUser), total: BigInt(counted.rows[0]?.total ?? 0) };
}

/** GoTrue hides PostgreSQL's reason when an identity fails: the step's error stands between the two. */
async function insertIdentity(client: pg.PoolClient, identity: Identity): Promise<void> {
  const { id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at } = identity;
  await databaseStep("Error creating identity", () =>
    client.query(
      `insert into auth.identities (
         id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at
       )
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [id, provider_id, user_id, JSON.stringify(identity_data), provider, last_sign_in_at, created_at, updated_at],
    ),
  );
}

/** banned_until alone can become null, hence its flag. */
async function updateUserColumns(client: pg.PoolClient, id: string, changes: UserChanges): Promise<void> {
  await client.query(
    `update auth.users
     set role = coalesce($2, role),
         email = coalesce($3, email),
         encrypted_password = coalesce($4, encrypted_password),
         email_confirmed_at = coalesce($5, email_confirmed_at),
         phone = coalesce($6, phone),
         phone_confirmed_at = coalesce($7, phone_confirmed_at),
         raw_app_meta_data = coalesce($8, raw_app_meta_data),
         raw_user_meta_data = coalesce($9, raw_user_meta_data),
         banned_until = case when $10 then $11::timestamptz else banned_until end,
         is_anonymous = coalesce($12, is_anonymous),
         updated_at = coalesce($13, updated_at)
     where id = $1`,
    [
      ...[id, changes.role, changes.email, changes.encrypted_password, changes.email_confirmed_at],
      ...[changes.phone, changes.phone_confirmed_at, jsonOrNull(changes.raw_app_meta_data)],
      ...[jsonOrNull(changes.raw_user_meta_data), "banned_until" in changes, changes.banned_until],
      ...[changes.is_anonymous, changes.updated_at],
    ],
  );
}

function jsonOrNull(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

async function inTransaction(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await work(client);
    await client.query("commit");
    client.release();
  } catch (error) {
    // A connection that cannot even roll back must not return to the pool.
    await client.query("rollback").then(
      () => client.release(),
      () => client.release(true),
    );
    throw error;
  }
}
