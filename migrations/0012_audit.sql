-- Up Migration

-- The audit log: who changed access, commands or the server state, from which address and by which request.
--
-- Invariant: an entry is written in the transaction of the act that it records, so neither exists without the other. Only
-- failed authentications are written by themselves. Entries hold no secrets and are never changed.

create table sluice.audit (
  -- Random: a number that all workspaces share would tell each of them how much is written in the others.
  id         uuid primary key default gen_random_uuid(),
  at         timestamptz      not null default clock_timestamp(),
  -- `$system` for an act whose workspace was not known yet.
  workspace  text collate "C" not null,
  action     text collate "C" not null check (action ~ '^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$'),
  principal  text,
  -- The caller's IP address, as the trusted proxies report it; null for the command line.
  address    text,
  request_id text,
  details    json             not null
);

create index on sluice.audit (workspace, at, id);
select sluice.guard('sluice.audit');

comment on table sluice.audit is
  'Who changed access, commands or the server state, and how. It grows slowly and is kept: sluice.forget_audit removes the '
  'entries that your rules no longer require.';

-- Guards against mistakes and injected statements, not against the owner of the table.
create function sluice.keep_audit() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_setting('sluice.forgets_audit', true) = 'on' then
    return null;
  end if;
  raise exception using
    errcode = 'object_not_in_prerequisite_state',
    message = 'the audit log is append-only',
    hint = 'To remove old entries: select sluice.forget_audit(now() - interval ''1 year'').';
end
$$;

comment on function sluice.keep_audit is 'Internal. Refuses changes of entries.';

create trigger keep_audit before update or delete or truncate on sluice.audit
for each statement execute function sluice.keep_audit();

create function sluice.forget_audit(before timestamptz) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  removed bigint;
begin
  -- Not as a SET clause of the function: only a superuser may give it one for this setting.
  perform set_config('sluice.forgets_audit', 'on', true);
  delete from sluice.audit a where a.at < forget_audit.before;
  get diagnostics removed = row_count;
  perform set_config('sluice.forgets_audit', '', true);
  return removed;
end
$$;

comment on function sluice.forget_audit is
  'Removes the entries from before that time, in all workspaces, and returns how many they were. The gateway never calls it.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
