-- Up Migration

-- Revocations: whose credentials of before are good no more. And how all gateways hear of changes like this one.

create table sluice.revocations (
  id         uuid primary key default gen_random_uuid(),
  workspace  text collate "C" not null check (sluice.is_workspace(workspace)),
  subject    text collate "C" check (length(subject) between 1 and 256),
  token_id   text collate "C" check (length(token_id) between 1 and 256),
  at         timestamptz not null default clock_timestamp(),
  by         text not null,
  reason     text check (length(reason) <= 1000),
  expires_at timestamptz,
  check (num_nonnulls(subject, token_id) <= 1)
);

create index on sluice.revocations (workspace, at desc, id desc);

comment on table sluice.revocations is
  'Credentials that are refused though they have not ended: those of a subject that were issued up to a time, one token by '
  'its id, or, where both are null, all of the workspace that were issued up to a time.';
comment on column sluice.revocations.subject is 'The id of a principal.';
comment on column sluice.revocations.token_id is 'The jti of a token, or the id of a key.';
comment on column sluice.revocations.by is 'The principal who revoked.';
comment on column sluice.revocations.expires_at is
  'From then on the revocation does nothing, and may be removed: by then all that it concerns should have ended by itself.';

-- Changes of access travel as events of a stream of the system's own, which every gateway follows. Nothing there is
-- state, that is in the tables: so the stream is of a kind of its own, and retention takes what is old.

create function sluice.publish_access_change(change json) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform sluice.check_data(change);
  perform sluice.ensure_stream('$system', 'access', 'access');
  insert into sluice.pending (workspace, stream, type, data)
  values ('$system', 'access', 'access.changed', change);
end
$$;

comment on function sluice.publish_access_change is
  'Tells all gateways of a change of access, once the calling transaction commits. Ids, never secrets.';

-- Two notices more, so two names more that no event may have.

create or replace function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked'
];

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
