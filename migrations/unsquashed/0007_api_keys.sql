-- Up Migration

-- API keys, slk_<id>_<secret>: who holds one acts in its workspace, in its role. Only the hash of the secret is here. It
-- has 256 random bits, so a plain SHA-256 cannot be tried out. Rows stay when a key has ended: the audit log names them.

create table sluice.api_keys (
  id           text collate "C" primary key check (id ~ '^[0-9a-z]{12}$'),
  workspace    text collate "C" not null check (sluice.is_workspace(workspace)),
  name         text             not null check (char_length(name) between 1 and 128),
  role         text collate "C" not null check (role in ('viewer', 'editor', 'admin', 'runner')),
  secret_hash  bytea            not null check (octet_length(secret_hash) = 32),
  -- Null: from anywhere. An empty list would be a key that nobody can use.
  allowed_ips  cidr[] check (cardinality(allowed_ips) between 1 and 64),
  created_at   timestamptz      not null default clock_timestamp(),
  created_by   text             not null,
  -- Of a rotated key, the end of its overlap with the one that replaced it.
  expires_at   timestamptz,
  -- True to within a minute.
  last_used_at timestamptz,
  replaced_by  text collate "C" unique references sluice.api_keys (id),
  revoked_at   timestamptz,
  revoked_by   text,
  check ((revoked_at is null) = (revoked_by is null))
);

create index on sluice.api_keys (workspace, created_at desc, id desc);

comment on table sluice.api_keys is
  'API keys by their public ids, with the hash of their secrets, and what they may do from where until when.';
comment on column sluice.api_keys.secret_hash is 'SHA-256 of the secret, the last part of the key.';
comment on column sluice.api_keys.replaced_by is 'The key that was made from this one when it was rotated.';
