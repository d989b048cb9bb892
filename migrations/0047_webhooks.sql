-- Up Migration

-- Webhooks: consumers (0046) whose events a gateway posts to an endpoint, and what became of each attempt.
--
--   active ── an admin pauses it, or its schedule ends ──▶ paused ──┐
--     ▲  └─── 410, or days without a success ──▶ disabled ──────────┤
--     └──────────────────────── an admin resumes it ◀───────────────┘
--
-- Invariant: each event up to the cursor of a webhook was delivered, or has a row in webhook_waiting or in webhook_dead_letters. So
-- cursor and rows change in one transaction, under the epoch of the holder.
--
-- Secrets are sealed by the gateway; the database never has the key. Only functions write these tables. They lock the row of the
-- consumer first, then that of the webhook.

create table sluice.webhooks (
  id                uuid primary key references sluice.consumers on delete cascade,
  workspace         text collate "C" not null check (sluice.is_workspace(workspace)),
  url               text             not null check (char_length(url) between 1 and 2048),
  url_host          text             not null,
  form              text collate "C" not null check (form in ('standard', 'cloudevents', 'cloudevents-binary')),
  ordering          text collate "C" not null check (ordering in ('ordered', 'parallel')),
  on_exhausted      text collate "C" not null check (on_exhausted in ('pause', 'skip')),
  header_names      text[]           not null default '{}',
  state             text collate "C" not null check (state in ('active', 'paused', 'disabled')),
  state_reason      text collate "C" check ((state_reason is null) = (state = 'active')),
  state_at          timestamptz      not null default clock_timestamp(),
  revision          bigint           not null default 1,
  failing_since     timestamptz,
  last_success_at   timestamptz,
  last_attempt_at   timestamptz,
  last_outcome      text collate "C",
  last_status       integer,
  last_milliseconds integer,
  attempts          bigint           not null default 0,
  dead_letters      bigint           not null default 0,
  created_at        timestamptz      not null default clock_timestamp(),
  updated_at        timestamptz      not null default clock_timestamp()
-- Leaves room in each page for the next version of a row: no index has a column that changes with a delivery.
) with (fillfactor = 50);

create index webhooks_by_age on sluice.webhooks (workspace, created_at desc, id desc);
select sluice.guard('sluice.webhooks');

comment on table sluice.webhooks is
  'The endpoints of webhooks. Stream, filter and cursor are in the row of sluice.consumers with the same id.';
comment on column sluice.webhooks.url_host is 'Host and port of the URL: all of it that events and the audit log name.';
comment on column sluice.webhooks.header_names is 'Names of the headers of its own; the values are sealed in sluice.webhook_secrets.';
comment on column sluice.webhooks.revision is 'Raised by each change of an admin, which the deliverer must notice.';
comment on column sluice.webhooks.failing_since is 'Since when attempts fail and none succeeds.';
comment on column sluice.webhooks.attempts is 'How many rows it has in sluice.webhook_attempts.';
comment on column sluice.webhooks.dead_letters is 'How many dead letters it has.';

create table sluice.webhook_secrets (
  webhook_id uuid             not null references sluice.webhooks on delete cascade,
  id         text collate "C" not null check (id ~ '^[0-9a-z-]{1,32}$'),
  workspace  text collate "C" not null,
  kind       text collate "C" not null check (kind in ('signing', 'headers')),
  key_id     text collate "C" not null,
  sealed     bytea            not null check (octet_length(sealed) between 28 and 65536),
  created_at timestamptz      not null default clock_timestamp(),
  expires_at timestamptz,
  primary key (webhook_id, id)
);

create index webhook_secrets_by_key on sluice.webhook_secrets (key_id, webhook_id, id);
select sluice.guard('sluice.webhook_secrets');

comment on table sluice.webhook_secrets is
  'The secrets that sign a webhook''s requests, and the values of its headers, sealed with AES-256-GCM by a key of the gateway.';
comment on column sluice.webhook_secrets.key_id is 'Names the key that has sealed it.';
comment on column sluice.webhook_secrets.expires_at is 'Until when a rotated secret signs too; null for the present one.';

create table sluice.webhook_attempts (
  webhook_id   uuid             not null references sluice.webhooks on delete cascade,
  id           uuid             not null,
  workspace    text collate "C" not null,
  "position"   bigint,
  event_id     uuid             not null,
  type         text             not null,
  attempt      integer          not null check (attempt > 0),
  at           timestamptz      not null,
  lane         text collate "C" not null check (lane in ('live', 'replay', 'retry', 'test')),
  outcome      text collate "C" not null check (outcome in ('delivered', 'failed', 'dead')),
  status       integer,
  milliseconds integer,
  error        text check (char_length(error) <= 1000),
  answer       text check (char_length(answer) <= 1024),
  next_try_at  timestamptz,
  primary key (webhook_id, id)
);

create index webhook_attempts_by_event on sluice.webhook_attempts (webhook_id, "position", id);
create index webhook_attempts_without_success on sluice.webhook_attempts (webhook_id, outcome, id) where outcome <> 'delivered';
select sluice.guard('sluice.webhook_attempts');

comment on table sluice.webhook_attempts is
  'Attempts to deliver an event. Retention removes them by their age and by their number. The ids are in the order of time (UUIDv7).';
comment on column sluice.webhook_attempts."position" is 'Null for a message that is no event, such as a test.';
comment on column sluice.webhook_attempts.lane is 'live: after the cursor; replay: of a range, again; retry: of one event, again; test.';
comment on column sluice.webhook_attempts.answer is 'The beginning of the body of the response, as text.';

create table sluice.webhook_waiting (
  webhook_id  uuid             not null references sluice.webhooks on delete cascade,
  lane        text collate "C" not null check (lane in ('live', 'replay', 'retry')),
  "position"  bigint           not null check ("position" >= 0),
  workspace   text collate "C" not null,
  event_id    uuid             not null,
  attempts    integer          not null default 0 check (attempts >= 0),
  since       timestamptz      not null default clock_timestamp(),
  next_try_at timestamptz      not null default clock_timestamp(),
  status      integer,
  error       text check (char_length(error) <= 1000),
  primary key (webhook_id, lane, "position")
);

select sluice.guard('sluice.webhook_waiting');

comment on table sluice.webhook_waiting is 'Deliveries that wait for their next try.';
comment on column sluice.webhook_waiting."position" is '0: a message that is no event (sluice.reset).';
comment on column sluice.webhook_waiting.attempts is 'Failed attempts since its schedule began, which a resume begins anew.';

create table sluice.webhook_dead_letters (
  webhook_id uuid             not null references sluice.webhooks on delete cascade,
  "position" bigint           not null,
  workspace  text collate "C" not null,
  event_id   uuid             not null,
  type       text             not null,
  at         timestamptz      not null default clock_timestamp(),
  attempts   integer          not null,
  status     integer,
  error      text check (char_length(error) <= 1000),
  primary key (webhook_id, "position")
);

select sluice.guard('sluice.webhook_dead_letters');

comment on table sluice.webhook_dead_letters is
  'Events that were not delivered by the end of their schedule, and were skipped. Kept as long as the log has the event.';

create table sluice.webhook_replays (
  webhook_id     uuid primary key references sluice.webhooks on delete cascade,
  workspace      text collate "C" not null,
  id             uuid             not null,
  from_position  bigint           not null,
  from_event_id  uuid             not null,
  to_position    bigint           not null,
  to_event_id    uuid             not null,
  at_position    bigint           not null,
  at_event_id    uuid             not null,
  state          text collate "C" not null default 'running' check (state in ('running', 'completed', 'stopped', 'lost')),
  created_at     timestamptz      not null default clock_timestamp(),
  created_by     text             not null,
  ended_at       timestamptz,
  check (from_position <= at_position and at_position <= to_position)
);

select sluice.guard('sluice.webhook_replays');

comment on table sluice.webhook_replays is
  'The running replay of a webhook, or its last one: the events after from, up to and including to, are delivered again.';
comment on column sluice.webhook_replays.at_position is 'The last event that was dealt with.';

-- The last two are messages to receivers, which trust that nobody else can send them.
create or replace function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked',
  'cursor', 'event.compacted', 'event.redacted', 'consumer.lagging', 'webhook.paused', 'webhook.resumed',
  'webhook.disabled', 'webhook.test', 'sluice.reset'
];

-- Administration: in a transaction of the workspace. --------------------------------------------------------------------

create function sluice.create_webhook(
  workspace text, id uuid, url text, url_host text, form text, ordering text, on_exhausted text, header_names text[], active boolean
)
returns void
language plpgsql security definer
as $$
declare
  most constant int := 1000;
begin
  perform sluice.check_workspace(create_webhook.workspace);
  -- Callers that create at once have taken turns in sluice.create_consumer.
  if (select count(*) from sluice.webhooks w where w.workspace = create_webhook.workspace) >= most then
    raise exception using
      errcode = 'SL017',
      message = format('the workspace %L has %s webhooks', create_webhook.workspace, most),
      hint = 'Delete webhooks that nobody needs.';
  end if;
  insert into sluice.webhooks (id, workspace, url, url_host, form, ordering, on_exhausted, header_names, state, state_reason)
  values (
    create_webhook.id, create_webhook.workspace, create_webhook.url, create_webhook.url_host, create_webhook.form,
    create_webhook.ordering, create_webhook.on_exhausted, create_webhook.header_names,
    case when active then 'active' else 'paused' end, case when not active then 'by-admin' end
  );
end
$$;

comment on function sluice.create_webhook is
  'Creates the endpoint of a consumer that the same transaction has created. SL017: too many webhooks. 42501: the transaction '
  'belongs to another workspace, as for all functions that take one.';

create function sluice.lock_webhook(workspace text, id uuid) returns sluice.webhooks
language plpgsql security definer
as $$
declare
  locked sluice.webhooks;
begin
  perform sluice.check_workspace(workspace);
  perform from sluice.consumers c where c.id = lock_webhook.id and c.workspace = lock_webhook.workspace for no key update;
  select w.* into locked from sluice.webhooks w
  where w.id = lock_webhook.id and w.workspace = lock_webhook.workspace for no key update;
  return locked;
end
$$;

comment on function sluice.lock_webhook is 'Locks a webhook, and its consumer before it, and returns it; a row of nulls if there is none.';

create function sluice.change_webhook(
  workspace text, id uuid, url text, url_host text, form text, ordering text, on_exhausted text, header_names text[]
)
returns boolean
language plpgsql security definer
as $$
declare
  before sluice.webhooks := sluice.lock_webhook(workspace, id);
begin
  update sluice.webhooks w
  set url = change_webhook.url, url_host = change_webhook.url_host, form = change_webhook.form,
    ordering = change_webhook.ordering, on_exhausted = change_webhook.on_exhausted, header_names = change_webhook.header_names,
    revision = w.revision + 1, updated_at = clock_timestamp()
  where w.id = before.id;
  return before.id is not null;
end
$$;

comment on function sluice.change_webhook is 'Replaces the settings of an endpoint. False: there is no such webhook.';

create function sluice.store_webhook_secret(
  workspace text, webhook uuid, id text, kind text, key_id text, sealed bytea, overlap_seconds integer
)
returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most constant int := 10;
  target sluice.webhooks := sluice.lock_webhook(workspace, webhook);
  present timestamptz := clock_timestamp();
begin
  if target.id is null then
    return false;
  end if;
  delete from sluice.webhook_secrets s
  where s.webhook_id = target.id
    and (s.expires_at <= present or s.kind = store_webhook_secret.kind and store_webhook_secret.kind = 'headers');
  if sealed is not null then
    update sluice.webhook_secrets s
    set expires_at = least(s.expires_at, present + overlap_seconds * interval '1 second')
    where s.webhook_id = target.id and s.kind = store_webhook_secret.kind;
    delete from sluice.webhook_secrets s where s.webhook_id = target.id and s.expires_at <= present;
    if (select count(*) from sluice.webhook_secrets s where s.webhook_id = target.id) >= most then
      raise exception using
        errcode = 'SL018',
        message = format('the webhook %s has %s secrets', target.id, most),
        hint = 'Wait until some have expired, or rotate with an overlap of 0.';
    end if;
    insert into sluice.webhook_secrets (webhook_id, id, workspace, kind, key_id, sealed)
    values (target.id, store_webhook_secret.id, target.workspace, store_webhook_secret.kind, store_webhook_secret.key_id,
      store_webhook_secret.sealed);
  end if;
  update sluice.webhooks w set revision = w.revision + 1, updated_at = present where w.id = target.id;
  return true;
end
$$;

comment on function sluice.store_webhook_secret is
  'Stores a secret that signs from now on, and ends the others after overlap_seconds; or replaces the headers, which null removes. '
  'False: there is no such webhook. SL018: too many secrets that have not expired.';

create function sluice.set_webhook_state(workspace text, id uuid, state text, reason text) returns text
language plpgsql security definer
as $$
declare
  target sluice.webhooks := sluice.lock_webhook(workspace, id);
begin
  -- What an admin has stopped stays stopped by the admin, and what is disabled is not paused.
  if target.id is null or target.state = set_webhook_state.state
    or target.state = 'disabled' and set_webhook_state.state = 'paused' then
    return null;
  end if;
  update sluice.webhooks w
  set state = set_webhook_state.state, state_reason = set_webhook_state.reason, state_at = clock_timestamp(),
    revision = w.revision + 1,
    failing_since = case when set_webhook_state.state <> 'active' then w.failing_since end, updated_at = clock_timestamp()
  where w.id = target.id;
  update sluice.consumers c set active = set_webhook_state.state = 'active' where c.id = target.id;
  if set_webhook_state.state = 'active' then
    -- Schedules begin anew.
    update sluice.webhook_waiting d set attempts = 0, next_try_at = clock_timestamp() where d.webhook_id = target.id;
  end if;
  perform sluice.announce(target.workspace,
    'webhook.' || case set_webhook_state.state when 'active' then 'resumed' else set_webhook_state.state end,
    json_build_object('webhook_id', target.id, 'url_host', target.url_host,
      'reason', coalesce(set_webhook_state.reason, target.state_reason)));
  return target.url_host;
end
$$;

comment on function sluice.set_webhook_state is
  'Pauses, disables or resumes a webhook, notifies its workspace at COMMIT, and returns the host of its URL. Null: there is no such '
  'webhook, or it is in this state, or it is to be paused and is disabled.';

create function sluice.start_webhook_replay(
  workspace text, webhook uuid, id uuid, from_position bigint, from_event_id uuid, to_position bigint, to_event_id uuid, actor text
)
returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  target sluice.webhooks := sluice.lock_webhook(workspace, webhook);
begin
  insert into sluice.webhook_replays as r (
    webhook_id, workspace, id, from_position, from_event_id, to_position, to_event_id, at_position, at_event_id, created_by
  ) values (
    target.id, target.workspace, start_webhook_replay.id, start_webhook_replay.from_position, start_webhook_replay.from_event_id,
    start_webhook_replay.to_position, start_webhook_replay.to_event_id, start_webhook_replay.from_position,
    start_webhook_replay.from_event_id, start_webhook_replay.actor
  )
  on conflict (webhook_id) do update
  set id = excluded.id, from_position = excluded.from_position, from_event_id = excluded.from_event_id,
    to_position = excluded.to_position, to_event_id = excluded.to_event_id, at_position = excluded.at_position,
    at_event_id = excluded.at_event_id, state = 'running', created_at = clock_timestamp(), created_by = excluded.created_by,
    ended_at = null
  where r.state <> 'running';
  if not found then
    return false;
  end if;
  update sluice.webhooks w set revision = w.revision + 1 where w.id = target.id;
  return true;
end
$$;

comment on function sluice.start_webhook_replay is 'Starts a replay of an existing webhook. False: another one is running.';

create function sluice.stop_webhook_replay(workspace text, webhook uuid) returns boolean
language plpgsql security definer
as $$
declare
  target sluice.webhooks := sluice.lock_webhook(workspace, webhook);
begin
  update sluice.webhook_replays r set state = 'stopped', ended_at = clock_timestamp()
  where r.webhook_id = target.id and r.state = 'running';
  if not found then
    return false;
  end if;
  -- Those that it has left waiting belong to it.
  delete from sluice.webhook_waiting d where d.webhook_id = target.id and d.lane = 'replay';
  update sluice.webhooks w set revision = w.revision + 1 where w.id = target.id;
  return true;
end
$$;

comment on function sluice.stop_webhook_replay is
  'Stops the running replay, and gives up the events of it that wait for their next try. False: none is running.';

create function sluice.room_for_retries(webhook uuid) returns bigint
language plpgsql stable
as $$
begin
  return 1000 - (select count(*) from sluice.webhook_waiting d where d.webhook_id = webhook and d.lane = 'retry');
end
$$;

comment on function sluice.room_for_retries is
  'Internal. How many more deliveries of a webhook may wait to be sent again: the deliverer holds all of them in memory.';

create function sluice.retry_webhook_delivery(workspace text, webhook uuid, "position" bigint, event_id uuid) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  target sluice.webhooks := sluice.lock_webhook(workspace, webhook);
  letters integer;
begin
  if sluice.room_for_retries(target.id) <= 0 and not exists (
    select from sluice.webhook_waiting d
    where d.webhook_id = target.id and d.lane = 'retry' and d.position = retry_webhook_delivery.position
  ) then
    raise exception using
      errcode = 'SL019',
      message = format('the webhook %s has too many deliveries that wait to be sent again', target.id),
      hint = 'Wait until some of them are sent.';
  end if;
  delete from sluice.webhook_dead_letters d
  where d.webhook_id = target.id and d.position = retry_webhook_delivery.position;
  get diagnostics letters = row_count;
  insert into sluice.webhook_waiting as d (webhook_id, lane, position, workspace, event_id)
  values (target.id, 'retry', retry_webhook_delivery.position, target.workspace, retry_webhook_delivery.event_id)
  on conflict (webhook_id, lane, position) do update
  set event_id = excluded.event_id, attempts = 0, next_try_at = excluded.next_try_at;
  update sluice.webhooks w
  set revision = w.revision + 1, dead_letters = greatest(w.dead_letters - letters, 0)
  where w.id = target.id;
end
$$;

comment on function sluice.retry_webhook_delivery is 'Lets an event be sent to an existing webhook again, as soon as possible. SL019: too many wait for that.';

create function sluice.retry_dead_letters(workspace text, webhook uuid) returns integer
language plpgsql security definer
as $$
declare
  target sluice.webhooks := sluice.lock_webhook(workspace, webhook);
  retried integer;
  most bigint := greatest(sluice.room_for_retries(target.id), 0);
begin
  with retried as (
    delete from sluice.webhook_dead_letters d
    where d.webhook_id = target.id and d.position = any (array(
      select o.position from sluice.webhook_dead_letters o where o.webhook_id = target.id order by o.position limit most
    ))
    returning d.position, d.event_id
  )
  insert into sluice.webhook_waiting as d (webhook_id, lane, position, workspace, event_id)
  select target.id, 'retry', r.position, target.workspace, r.event_id from retried r
  on conflict (webhook_id, lane, position) do update
  set event_id = excluded.event_id, attempts = 0, next_try_at = excluded.next_try_at;
  get diagnostics retried = row_count;
  update sluice.webhooks w
  set revision = w.revision + 1, dead_letters = greatest(w.dead_letters - retried, 0)
  where w.id = target.id;
  return retried;
end
$$;

comment on function sluice.retry_dead_letters is 'Lets the first dead letters of a webhook be sent again, as far as there is room, and returns how many.';

-- Delivering: by the gateway itself, for webhooks of all workspaces. ----------------------------------------------------

create function sluice.record_webhook_deliveries(attempts json, changes json, settled json, waiting json, dead json)
returns table (id uuid)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  held uuid[];
begin
  perform from sluice.consumers c
  where c.id = any (array(
    select a.webhook_id from json_to_recordset(attempts) as a (webhook_id uuid)
    union
    select g.id from json_to_recordset(changes) as g (id uuid)
  ))
  order by c.id for no key update;
  held := array(
    select g.id from json_to_recordset(changes) as g (id uuid, epoch bigint)
    where g.epoch = (select c.epoch from sluice.consumers c where c.id = g.id)
  );

  with given as materialized (
    select g.*, w.workspace
    from rows from (json_to_recordset(attempts) as (
      webhook_id uuid, id uuid, "position" bigint, event_id uuid, type text, attempt integer, at timestamptz, lane text,
      outcome text, status integer, milliseconds integer, error text, answer text, next_try_at timestamptz
    )) with ordinality as g (
      webhook_id, id, "position", event_id, type, attempt, at, lane, outcome, status, milliseconds, error, answer, next_try_at, place
    )
    join lateral (select w.workspace from sluice.webhooks w where w.id = g.webhook_id limit 1) w on true
  ),
  stored as (
    insert into sluice.webhook_attempts (
      webhook_id, id, workspace, "position", event_id, type, attempt, at, lane, outcome, status, milliseconds, error, answer,
      next_try_at
    )
    select g.webhook_id, g.id, g.workspace, g.position, g.event_id, g.type, g.attempt, g.at, g.lane, g.outcome, g.status,
      g.milliseconds, left(g.error, 1000), left(g.answer, 1024), g.next_try_at
    from given g
  ),
  counted as (
    select g.webhook_id, count(*) as attempts, max(g.place) filter (where g.lane <> 'test') as last from given g group by g.webhook_id
  )
  update sluice.webhooks w
  set attempts = w.attempts + n.attempts, last_attempt_at = coalesce(l.at, w.last_attempt_at),
    last_outcome = coalesce(l.outcome, w.last_outcome),
    last_status = case when l.at is null then w.last_status else l.status end,
    last_milliseconds = case when l.at is null then w.last_milliseconds else l.milliseconds end
  from counted n
  left join given l on l.place = n.last
  where w.id = n.webhook_id;

  delete from sluice.webhook_waiting d
  using json_to_recordset(settled) as g (webhook_id uuid, lane text, "position" bigint)
  where g.webhook_id = any (held) and d.webhook_id = g.webhook_id and d.lane = g.lane and d.position = g.position;

  insert into sluice.webhook_waiting as d (
    webhook_id, lane, position, workspace, event_id, attempts, since, next_try_at, status, error
  )
  select g.webhook_id, g.lane, g.position, w.workspace, g.event_id, g.attempts, g.since, g.next_try_at, g.status, left(g.error, 1000)
  from json_to_recordset(waiting) as g (
    webhook_id uuid, lane text, "position" bigint, event_id uuid, attempts integer, since timestamptz, next_try_at timestamptz,
    status integer, error text
  )
  join lateral (select w.workspace from sluice.webhooks w where w.id = g.webhook_id limit 1) w on true
  where g.webhook_id = any (held)
  on conflict (webhook_id, lane, position) do update
  set event_id = excluded.event_id, attempts = excluded.attempts, since = excluded.since, next_try_at = excluded.next_try_at,
    status = excluded.status, error = excluded.error;

  with letters as (
    insert into sluice.webhook_dead_letters as d (webhook_id, position, workspace, event_id, type, attempts, status, error)
    select g.webhook_id, g.position, w.workspace, g.event_id, g.type, g.attempts, g.status, left(g.error, 1000)
    from json_to_recordset(dead) as g (
      webhook_id uuid, "position" bigint, event_id uuid, type text, attempts integer, status integer, error text
    )
    join lateral (select w.workspace from sluice.webhooks w where w.id = g.webhook_id limit 1) w on true
    where g.webhook_id = any (held)
    on conflict (webhook_id, position) do update
    set event_id = excluded.event_id, type = excluded.type, at = excluded.at, attempts = excluded.attempts,
      status = excluded.status, error = excluded.error
    -- Not those that were there before.
    returning d.webhook_id, (d.xmax = 0)::int as is_new
  ),
  counted as (select l.webhook_id, sum(l.is_new) as letters from letters l group by l.webhook_id)
  update sluice.webhooks w
  set dead_letters = w.dead_letters + coalesce((select n.letters from counted n where n.webhook_id = w.id), 0),
    last_success_at = greatest(w.last_success_at, g.succeeded_at),
    failing_since = case when g.changes_failing then g.failing_since else w.failing_since end
  from json_to_recordset(changes) as g (
    id uuid, succeeded_at timestamptz, changes_failing boolean, failing_since timestamptz
  )
  where w.id = any (held) and w.id = g.id
    and (g.succeeded_at is not null or g.changes_failing or g.id in (select n.webhook_id from counted n));

  update sluice.webhook_replays r
  set at_position = g.replay_position, at_event_id = g.replay_event_id, state = coalesce(g.replay_end, 'running'),
    ended_at = case when g.replay_end is not null then clock_timestamp() end
  from json_to_recordset(changes) as g (id uuid, replay uuid, replay_position bigint, replay_event_id uuid, replay_end text)
  where g.id = any (held) and r.webhook_id = g.id and r.id = g.replay and r.state = 'running'
    and g.replay_position between r.at_position and r.to_position;

  return query
  select g.id from json_to_recordset(changes) as g (id uuid) where g.id <> all (held);
end
$$;

comment on function sluice.record_webhook_deliveries is
  'Stores attempts of webhooks of all workspaces, and what has become of their deliveries: those that wait no longer (settled), those '
  'that wait for another try, and dead letters. The attempts are stored in any case, the rest only under the present epoch of the '
  'consumer. Returns the webhooks in changes whose epoch is another by now.';

-- Maintenance. ----------------------------------------------------------------------------------------------------------

create function sluice.remove_webhook_attempts(keep interval, most bigint, at_most integer, inout after uuid, out removed bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most_webhooks constant int := 100;
  -- UUIDv7: 48 bits of milliseconds since 1970.
  oldest uuid := (lpad(to_hex((extract(epoch from clock_timestamp() - keep) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
  target record;
  gone bigint;
  surplus bigint;
  seen int := 0;
begin
  removed := 0;
  for target in
    select w.id, w.attempts from sluice.webhooks w where w.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
    order by w.id limit most_webhooks
  loop
    seen := seen + 1;
    delete from sluice.webhook_attempts a where a.webhook_id = target.id and a.id = any (array(
      select o.id from sluice.webhook_attempts o where o.webhook_id = target.id and o.id < oldest
      order by o.id limit at_most - removed
    ));
    get diagnostics gone = row_count;
    if target.attempts - gone > most then
      delete from sluice.webhook_attempts a where a.webhook_id = target.id and a.id = any (array(
        select o.id from sluice.webhook_attempts o where o.webhook_id = target.id
        order by o.id limit least(at_most - removed - gone, target.attempts - gone - most)
      ));
      get diagnostics surplus = row_count;
      gone := gone + surplus;
    end if;
    update sluice.webhooks w set attempts = greatest(w.attempts - gone, 0) where w.id = target.id and gone > 0;
    removed := removed + gone;
    -- Others follow in the next call, and so does the rest of this one.
    if removed >= at_most then
      return;
    end if;
    after := target.id;
  end loop;
  if seen < most_webhooks then
    after := null;
  end if;
end
$$;

comment on function sluice.remove_webhook_attempts is
  'Removes attempts that are older than keep (null keeps them), and the oldest of a webhook that has more than most: at most at_most, '
  'of webhooks after an id. after: call again with it, until it is null.';

create function sluice.remove_lost_dead_letters(at_most integer, inout after uuid, out removed bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most_webhooks constant int := 100;
  target record;
  gone bigint;
  seen int := 0;
begin
  removed := 0;
  for target in
    select w.id, w.dead_letters, (select c.stream_id from sluice.consumers c where c.id = w.id) as stream_id
    from sluice.webhooks w where w.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
    order by w.id limit most_webhooks
  loop
    seen := seen + 1;
    if target.dead_letters = 0 then
      after := target.id;
      continue;
    end if;
    with lost as (
      delete from sluice.webhook_dead_letters d where d.webhook_id = target.id and d.position = any (array(
        select o.position from sluice.webhook_dead_letters o
        where o.webhook_id = target.id and o.position <= coalesce(
          (select s.base_position from sluice.streams s where s.id = target.stream_id), 9223372036854775807)
        order by o.position limit at_most - removed
      ))
      returning 1
    )
    select count(*) into gone from lost;
    update sluice.webhooks w set dead_letters = greatest(w.dead_letters - gone, 0) where w.id = target.id and gone > 0;
    removed := removed + gone;
    if removed >= at_most then
      return;
    end if;
    after := target.id;
  end loop;
  if seen < most_webhooks then
    after := null;
  end if;
end
$$;

comment on function sluice.remove_lost_dead_letters is
  'Removes dead letters whose events retention has removed, or whose stream was deleted. after: as in remove_webhook_attempts.';

create function sluice.reseal_webhook_secret(webhook uuid, id text, before bytea, key_id text, sealed bytea) returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  update sluice.webhook_secrets s set key_id = reseal_webhook_secret.key_id, sealed = reseal_webhook_secret.sealed
  where s.webhook_id = reseal_webhook_secret.webhook and s.id = reseal_webhook_secret.id and s.sealed = before;
  return found;
end
$$;

comment on function sluice.reseal_webhook_secret is 'Stores the same secret sealed by another key, unless it has changed meanwhile.';

create or replace function sluice.raise_wall() returns void
language plpgsql
as $$
declare
  me record;
  target record;
begin
  select r.rolsuper, r.rolbypassrls into me from pg_roles r where r.rolname = current_user;
  if to_regrole('sluice_request') is null and (me.rolsuper or me.rolbypassrls) then
    begin
      create role sluice_request nologin;
    exception
      when insufficient_privilege then return;
      -- A gateway that starts on another database of this server created it first.
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if me.rolbypassrls and not me.rolsuper then
    begin
      grant sluice_request to current_user;
    exception
      when insufficient_privilege then null;
    end;
  end if;
  if not coalesce(pg_has_role(to_regrole('sluice_request'), 'member'), false) then
    return;
  end if;

  if not has_schema_privilege('sluice_request', 'sluice', 'usage') then
    grant usage on schema sluice to sluice_request;
  end if;
  for target in
    select c.oid::regclass as name, case
      -- Only functions write the log.
      when c.relname in ('streams', 'events', 'jobs', 'workspaces', 'deleted_streams', 'compactions', 'latest', 'consumers', 'webhooks',
        'webhook_secrets', 'webhook_attempts', 'webhook_waiting', 'webhook_dead_letters', 'webhook_replays') then 'select'
      else 'select, insert, update, delete'
    end as rights
    from pg_class c
    where c.relnamespace = 'sluice'::regnamespace and c.relkind = 'r' and c.relrowsecurity
      and c.relname not in ('pending', 'idempotency_keys', 'stream_counts')
      and not has_table_privilege('sluice_request', c.oid, 'select')
  loop
    execute format('grant %s on %s to sluice_request', target.rights, target.name);
  end loop;
  for target in
    select p.oid::regprocedure as name from pg_proc p
    where p.pronamespace = 'sluice'::regnamespace
      and p.proname in ('append', 'ensure_stream', 'publish_access_change', 'is_workspace', 'configure_stream',
        'configure_workspace', 'close_stream', 'delete_stream', 'reads_job', 'create_consumer', 'change_consumer',
        'fence_consumer', 'seek_consumer', 'delete_consumer', 'create_webhook', 'lock_webhook', 'change_webhook', 'store_webhook_secret',
        'set_webhook_state', 'start_webhook_replay', 'stop_webhook_replay', 'retry_webhook_delivery', 'retry_dead_letters')
      -- These take the number of any stream.
      and p.oid <> 'sluice.close_stream(bigint)'::regprocedure
      and not has_function_privilege('sluice_request', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to sluice_request', target.name);
  end loop;
end
$$;

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
