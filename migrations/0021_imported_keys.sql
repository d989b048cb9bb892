-- Up Migration

-- API keys of a former system, imported by their hash: `secret_hash` is the SHA-256 of the whole key, and `prefix` its first
-- characters. A gateway's own key has no prefix.
--
-- Invariant: a hash belongs to one key, so a key acts in one workspace.

alter table sluice.api_keys add column prefix text collate "C" check (prefix ~ '^[!-~]{3,32}$');

-- A key that is not our own is found by its hash.
create unique index api_keys_imported on sluice.api_keys (secret_hash) where prefix is not null;

comment on column sluice.api_keys.secret_hash is
  'SHA-256 of the secret, the last part of the key; of an imported key, the SHA-256 of all of it.';
comment on column sluice.api_keys.prefix is 'The first characters of an imported key. Null: a key of a gateway.';
