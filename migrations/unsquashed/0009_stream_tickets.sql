-- Up Migration

-- Stream tickets: what opens a stream where no header can be set. Of a ticket only the hash is here, so whoever reads
-- this table (a backup, a foreign role) can open nothing.
--
--   issued ── spent, once, by whoever comes first ──▶ bound to that browser ──▶ over
--
-- `good_until` is the end of the state that the ticket is in: half a minute to be spent, and from then on as long as
-- its principal's credentials are good, a day at most.

create table sluice.stream_tickets (
  hash            bytea primary key check (octet_length(hash) = 32),
  workspace       text collate "C" not null,
  principal       text not null,
  role            text collate "C" not null check (role in ('viewer', 'editor', 'admin', 'runner')),
  credential_kind text collate "C" not null check (credential_kind in ('token', 'key')),
  credential_id   text,
  -- As the credentials say it, in milliseconds since 1970: a token may name a year that no timestamp can.
  issued_at       float8 not null,
  expires_at      float8 not null,
  path            text collate "C" not null,
  good_until      timestamptz not null,
  browser_hash    bytea check (octet_length(browser_hash) = 32)
);

create index stream_tickets_by_end on sluice.stream_tickets (good_until);

comment on table sluice.stream_tickets is 'Tickets that open one stream each, with the principal that asked for them.';
comment on column sluice.stream_tickets.hash is 'SHA-256 of the ticket.';
comment on column sluice.stream_tickets.path is 'Where it is good: a path without its query, as it stands in the request.';
comment on column sluice.stream_tickets.browser_hash is
  'SHA-256 of the cookie of the browser that spent it, and that alone may come back with it. Null: not spent.';
