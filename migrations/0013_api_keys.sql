-- Up Migration

-- API keys, slk_<id>_<secret>: the caller that sends one acts in the key's workspace with the key's role.
--
-- Invariant: only a hash of the secret is stored. The secret has 256 random bits, so a plain SHA-256 cannot be reversed by
-- trying secrets. The row of a key stays after the key has ended, because the audit log names it.

create table sluice.api_keys (
  id           text collate "C" primary key check (id ~ '^[0-9a-z]{12}$'),
  workspace    text collate "C" not null check (sluice.is_workspace(workspace)),
  name         text             not null check (char_length(name) between 1 and 128),
  role         text collate "C" not null check (role in ('viewer', 'editor', 'admin', 'runner')),
  secret_hash  bytea            not null check (octet_length(secret_hash) = 32),
  -- Null: any address. An empty list would make a key that no caller can use.
  allowed_ips  cidr[] check (cardinality(allowed_ips) between 1 and 64),
  created_at   timestamptz      not null default clock_timestamp(),
  created_by   text             not null,
  -- For a rotated key: the end of its overlap with the key that replaced it.
  expires_at   timestamptz,
  -- Accurate to a minute.
  last_used_at timestamptz,
  replaced_by  text collate "C" unique references sluice.api_keys (id),
  revoked_at   timestamptz,
  revoked_by   text,
  check ((revoked_at is null) = (revoked_by is null))
);

create index on sluice.api_keys (workspace, created_at desc, id desc);
select sluice.guard('sluice.api_keys');

comment on table sluice.api_keys is
  'API keys by their public ids: the hash of the secret, the role, the allowed addresses and the end of each.';
comment on column sluice.api_keys.secret_hash is 'SHA-256 of the secret, the last part of the key.';
comment on column sluice.api_keys.replaced_by is 'The key that replaced this one when it was rotated.';

revoke all on all tables in schema sluice from public;
