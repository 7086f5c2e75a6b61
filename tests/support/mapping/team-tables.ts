/** Tables of real teams, word by word, with the data that goes with them. */
export const teamTables = {
  profiles: `
    create table public.profiles (id text primary key, username text, full_name text, avatar_url text, email text);
    create table public.posts (id bigint generated always as identity primary key, author text not null references public.profiles (id));
    insert into public.profiles values ('user_old1', 'ada', 'Ada Old', null, 'ada@example.com');`,
  prisma: `
    create table "User" (
      "id" text not null, "clerkId" text not null, "email" text not null, "firstName" text, "lastName" text, "imageUrl" text,
      "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null, constraint "User_pkey" primary key ("id"));
    create unique index "User_clerkId_key" on "User"("clerkId"); create unique index "User_email_key" on "User"("email");`,
  drizzle: `
    create table users (id serial primary key, clerk_user_id varchar(64) unique not null, email varchar(320) not null, first_name text, last_name text, image_url text,
      organization_id text, role text not null default 'viewer', deleted_at timestamptz);
    insert into users (clerk_user_id, email, first_name, role) values ('user_old3', 'old3@example.com', 'Old', 'editor');`,
  roles: `
    create table users (id uuid primary key default gen_random_uuid(), clerk_id text unique, role text not null default 'user');
    insert into users (clerk_id, role) values ('user_old4', 'admin');`,
  cycles: `
    create table users (id text primary key);
    create table cycles (user_id text references users (id));`,
  customers: `
    create table users (id uuid primary key default gen_random_uuid(), clerk_id text unique, email text unique);
    insert into users (email) values ('x@example.com'), ('Old.Customer@Example.com');`,
} as const;
