-- Up Migration

-- The audit log: who did what that changes who may do what, from where, by which request. Written in the transaction
-- of the act itself, so that neither is there without the other; failed authentications by themselves. Never secrets.

create table sluice.audit (
  id         bigint generated always as identity primary key,
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

create index audit_of_workspace on sluice.audit (workspace, id);

comment on table sluice.audit is 'Who did what to access, commands and the server state. Grows slowly; delete old rows as your rules demand.';
