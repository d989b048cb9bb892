-- Up Migration

-- The audit log: who did what that changes who may do what, from where, by which request. Written in the transaction
-- of the act itself, so that neither is there without the other; failed authentications by themselves. Never secrets.

create table sluice.audit (
  -- Random: a number that all workspaces share would tell each of them how much is written in the others.
  id         uuid primary key default gen_random_uuid(),
  at         timestamptz      not null default clock_timestamp(),
  -- Whose it is; `$system` for what happened before anybody knew whose it would be.
  workspace  text collate "C" not null,
  action     text collate "C" not null check (action ~ '^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$'),
  principal  text,
  -- Of the caller, as the trusted proxies tell it; null for the command line.
  address    text,
  request_id text,
  details    json             not null
);

create index on sluice.audit (workspace, at, id);

comment on table sluice.audit is
  'Who did what to access, commands and the server state. Grows slowly, and is kept: sluice.forget_audit removes what your '
  'rules no longer ask for.';

-- What is on record stays as it is. This keeps mistakes and injected statements out, not whoever owns the table.

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
    message = 'the audit log is only appended to',
    hint = 'To remove what is old: select sluice.forget_audit(now() - interval ''1 year'').';
end
$$;

comment on function sluice.keep_audit is 'Internal. Refuses to change what is on record.';

create trigger keep_audit before update or delete or truncate on sluice.audit
for each statement execute function sluice.keep_audit();

create function sluice.forget_audit(before timestamptz) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  removed bigint;
begin
  -- Not as a SET of the function, which a role that is no superuser may not give it.
  perform set_config('sluice.forgets_audit', 'on', true);
  delete from sluice.audit a where a.at < forget_audit.before;
  get diagnostics removed = row_count;
  perform set_config('sluice.forgets_audit', '', true);
  return removed;
end
$$;

comment on function sluice.forget_audit is
  'Removes what was put on record before that time, in all workspaces, and returns how many entries that were. Never called '
  'by the gateway.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
