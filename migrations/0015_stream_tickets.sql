-- Up Migration

-- Stream tickets: they open a stream for a client that cannot set a header, such as a browser's EventSource.
--
--   issued ── spent once, by the first browser that brings it ──▶ bound to that browser ──▶ over
--
-- Invariant: only a hash of the ticket is stored, so reading this table (in a backup, as another role) opens no stream.
--
-- `good_until` is the end of the ticket's present state: half a minute until it must be spent, then as long as the
-- principal's credentials are good, at most a day.

create table sluice.stream_tickets (
  hash            bytea primary key check (octet_length(hash) = 32),
  workspace       text collate "C" not null,
  principal       text not null,
  role            text collate "C" not null check (role in ('viewer', 'editor', 'admin', 'runner')),
  credential_kind text collate "C" not null check (credential_kind in ('token', 'key')),
  credential_id   text,
  -- As the credentials state them, in milliseconds since 1970: a token may name a year that no timestamp can hold.
  issued_at       float8 not null,
  expires_at      float8 not null,
  path            text collate "C" not null,
  good_until      timestamptz not null,
  browser_hash    bytea check (octet_length(browser_hash) = 32)
);

create index stream_tickets_by_end on sluice.stream_tickets (good_until);
select sluice.guard('sluice.stream_tickets');

comment on table sluice.stream_tickets is 'Tickets that open one stream each, with the principal that requested them.';
comment on column sluice.stream_tickets.hash is 'SHA-256 of the ticket.';
comment on column sluice.stream_tickets.path is 'The path that the ticket opens, without its query, as the request writes it.';
comment on column sluice.stream_tickets.browser_hash is
  'SHA-256 of the cookie of the browser that spent the ticket; only that browser may use it again. Null: not spent.';

revoke all on all tables in schema sluice from public;
