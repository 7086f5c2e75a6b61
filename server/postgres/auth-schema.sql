create table if not exists auth.users (id uuid primary key);
