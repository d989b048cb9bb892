-- Up Migration

-- Revocations: credentials that are refused although they have not expired, and how every gateway learns of such a change.
--
-- Invariant: the state is in the tables, here and in sluice.api_keys. The events of the stream `access` in the workspace
-- $system, which every gateway follows, only announce that it changed. So that stream has a kind of its own, and retention
-- may remove its old events.

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
select sluice.guard('sluice.revocations');

comment on table sluice.revocations is
  'Credentials that are refused although they have not expired: those of a subject that were issued up to a time, one token by '
  'its id, or, where both are null, all credentials of the workspace that were issued up to a time.';
comment on column sluice.revocations.subject is 'The id of a principal.';
comment on column sluice.revocations.token_id is 'The jti of a token, or the id of a key.';
comment on column sluice.revocations.by is 'The principal that revoked.';
comment on column sluice.revocations.expires_at is
  'From this time on the revocation has no effect and may be removed: the credentials that it concerns should have expired by '
  'then.';

-- Announces a change in one workspace on the stream of $system, so the transaction's own workspace is set aside meanwhile.
create function sluice.publish_access_change(change json) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
begin
  perform set_config('sluice.workspace', '', true);
  perform sluice.check_data(change);
  perform sluice.ensure_stream('$system', 'access', 'access');
  insert into sluice.pending (workspace, stream, type, data)
  values ('$system', 'access', 'access.changed', change);
  perform set_config('sluice.workspace', told, true);
end
$$;

comment on function sluice.publish_access_change is
  'Announces a change of access to all gateways when the calling transaction commits. change holds ids, never secrets. Sends '
  'no NOTIFY, because a revocation must not fail with one; the caller wakes the gateways afterwards.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
