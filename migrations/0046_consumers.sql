-- Up Migration

-- Consumers: named, durable cursors on streams. A pull consumer is read by a client, a webhook by the deliverer of some process.
--
--   free ── claim ──▶ held ── release ──▶ free
--                      │── the lease expires ──▶ free
--                      └── a takeover, a seek, a change ──▶ held or free, under the next epoch
--
-- Invariant: at most one holder reads and acknowledges for a consumer. Each claim, seek and change raises the epoch, and what
-- names an older epoch changes nothing (fencing). A cursor moves forward only, except by a seek or a reset. It is the identity
-- of an event (position and UUID), so a lost history is noticed.
--
-- Only functions write the table. Times are of this server's clock.

create table sluice.consumers (
  id                uuid primary key,
  workspace         text collate "C" not null check (sluice.is_workspace(workspace)),
  kind              text collate "C" not null check (kind in ('pull', 'webhook')),
  name              text collate "C" not null check (name ~ '^[A-Za-z0-9._-]{1,100}$'),
  stream            text collate "C" not null check (sluice.is_stream(stream)),
  stream_id         bigint           not null,
  types             text check (octet_length(types) <= 8192),
  condition           text check (octet_length(condition) <= 8192),
  description       text check (char_length(description) <= 2000),
  ack_timeout_ms    integer          not null check (ack_timeout_ms between 1000 and 3600000),
  max_in_flight     integer          not null check (max_in_flight between 1 and 10000),
  cursor_position   bigint           not null check (cursor_position >= 0),
  cursor_event_id   uuid             not null,
  last_ack_at       timestamptz,
  handed_position   bigint,
  handed_event_id   uuid,
  handed_at         timestamptz,
  in_flight         integer          not null default 0 check (in_flight >= 0),
  epoch             bigint           not null default 0,
  fenced_by         text collate "C" check (fenced_by in ('taken-over', 'sought', 'changed', 'paused')),
  active            boolean          not null default true,
  holder            text,
  holder_node       uuid,
  held_since        timestamptz,
  lease_until       timestamptz      not null default '-infinity',
  lagging_since     timestamptz,
  lost_at           timestamptz,
  created_at        timestamptz      not null default clock_timestamp(),
  created_by        text             not null
-- Leaves room in each page for the next version of a row: a cursor moves often, and no index has a column that changes then.
) with (fillfactor = 50);

create unique index consumers_by_name on sluice.consumers (workspace, name) where kind = 'pull';
-- For deliverers, which claim any of them.
create index consumers_to_deliver on sluice.consumers (id) where kind = 'webhook' and active;
create index consumers_by_workspace on sluice.consumers (workspace, kind);
select sluice.guard('sluice.consumers');

-- As for streams: 0041_grants_of_readers.sql.
create policy granted on sluice.consumers as restrictive for select using (case
  when coalesce(current_setting('sluice.readable_names', true), '') = '' then true
  when stream = any (string_to_array(current_setting('sluice.readable_names', true), E'\n')) then true
  when stream ^@ any (string_to_array(current_setting('sluice.readable_prefixes', true), E'\n')) then true
  else stream ^@ 'job:' and sluice.reads_job(workspace, substr(stream, 5))
end);

comment on table sluice.consumers is
  'Named, durable cursors on streams. A webhook is a row of this table and one with the same id in another.';
comment on column sluice.consumers.name is 'Of a pull consumer, unique in its workspace; of a webhook, its id.';
comment on column sluice.consumers.stream_id is
  'The stream that the cursor belongs to. A deleted stream that is created again has another number, and the cursor is lost then.';
comment on column sluice.consumers.cursor_position is 'Everything up to this event is acknowledged.';
comment on column sluice.consumers.handed_position is 'The last event that the present holder has got, as far as it is stored.';
comment on column sluice.consumers.in_flight is 'How many events the holder had got and not acknowledged when that was last stored.';
comment on column sluice.consumers.epoch is 'Raised by each claim, seek and change. What names an older epoch changes nothing.';
comment on column sluice.consumers.fenced_by is 'What raised the epoch last.';
comment on column sluice.consumers.active is 'Whether a deliverer may claim it.';
comment on column sluice.consumers.holder is 'The principal; null while nobody holds it, and for a webhook.';
comment on column sluice.consumers.holder_node is 'The process that renews the lease; null for a client that reads pages.';
comment on column sluice.consumers.lease_until is 'Until when it is held, unless it is renewed; -infinity once it is released.';
comment on column sluice.consumers.lagging_since is 'Since when it lags, of which its workspace was notified; null while it does not.';
comment on column sluice.consumers.lost_at is 'When the log no longer continued the cursor, of which its workspace was notified.';

create or replace function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked',
  'cursor', 'event.compacted', 'event.redacted', 'consumer.lagging'
];

-- Administration: in a transaction of the workspace. --------------------------------------------------------------------

create function sluice.create_consumer(
  workspace text, id uuid, kind text, name text, stream text, stream_id bigint, types text, condition text, description text,
  ack_timeout_ms integer, max_in_flight integer, cursor_position bigint, cursor_event_id uuid, active boolean, actor text
)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most constant int := 1000;
  counted int;
begin
  perform sluice.check_workspace(create_consumer.workspace);
  -- Callers that create at once take turns, so that they count each other's.
  perform pg_advisory_xact_lock(hashtextextended('sluice.consumers:' || create_consumer.workspace, 0));
  if create_consumer.kind = 'pull' then
    if exists (
      select from sluice.consumers c
      where c.workspace = create_consumer.workspace and c.name = create_consumer.name and c.kind = 'pull'
    ) then
      return;
    end if;
    select count(*) into counted from sluice.consumers c
    where c.workspace = create_consumer.workspace and c.kind = 'pull';
    if counted >= most then
      raise exception using
        errcode = 'SL016',
        message = format('the workspace %L has %s consumers', create_consumer.workspace, most),
        hint = 'Delete consumers that nobody uses.';
    end if;
  end if;
  return query
  insert into sluice.consumers as c (
    id, workspace, kind, name, stream, stream_id, types, condition, description, ack_timeout_ms, max_in_flight, cursor_position,
    cursor_event_id, active, created_by
  ) values (
    create_consumer.id, create_consumer.workspace, create_consumer.kind, create_consumer.name, create_consumer.stream,
    create_consumer.stream_id, create_consumer.types, create_consumer.condition, create_consumer.description,
    create_consumer.ack_timeout_ms, create_consumer.max_in_flight, create_consumer.cursor_position,
    create_consumer.cursor_event_id, create_consumer.active, create_consumer.actor
  )
  returning c.*;
end
$$;

comment on function sluice.create_consumer is
  'Creates a consumer. No row when the workspace has a pull consumer of that name. SL016: too many pull consumers. 42501: the '
  'transaction belongs to another workspace, as for all functions that take one.';

create function sluice.change_consumer(
  workspace text, id uuid, types text, condition text, description text, ack_timeout_ms integer, max_in_flight integer
)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.check_workspace(change_consumer.workspace);
  return query
  update sluice.consumers c
  set types = change_consumer.types, condition = change_consumer.condition, description = change_consumer.description,
    ack_timeout_ms = change_consumer.ack_timeout_ms, max_in_flight = change_consumer.max_in_flight
  where c.id = change_consumer.id and c.workspace = change_consumer.workspace
  returning c.*;
end
$$;

comment on function sluice.change_consumer is
  'Replaces the columns that may change. The caller decides whether the holder must read them anew (fence_consumer).';

create function sluice.fence_consumer(workspace text, id uuid, reason text, active boolean)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.check_workspace(fence_consumer.workspace);
  return query
  update sluice.consumers c
  set epoch = c.epoch + 1, fenced_by = fence_consumer.reason, active = coalesce(fence_consumer.active, c.active), holder = null,
    holder_node = null, held_since = null, lease_until = '-infinity', handed_position = null, handed_event_id = null,
    handed_at = null, in_flight = 0
  where c.id = fence_consumer.id and c.workspace = fence_consumer.workspace
  returning c.*;
end
$$;

comment on function sluice.fence_consumer is
  'Takes a consumer away from its holder, which learns the reason when it renews its lease. active: whether a deliverer may '
  'claim it from now on; null leaves that as it is.';

create function sluice.seek_consumer(workspace text, id uuid, stream_id bigint, cursor_position bigint, cursor_event_id uuid)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.fence_consumer(seek_consumer.workspace, seek_consumer.id, 'sought', null);
  return query
  update sluice.consumers c
  set stream_id = seek_consumer.stream_id, cursor_position = seek_consumer.cursor_position,
    cursor_event_id = seek_consumer.cursor_event_id, lost_at = null
  where c.id = seek_consumer.id and c.workspace = seek_consumer.workspace
  returning c.*;
end
$$;

comment on function sluice.seek_consumer is 'Puts the cursor anywhere and takes the consumer away from its holder.';

create function sluice.delete_consumer(workspace text, id uuid) returns boolean
language plpgsql security definer
as $$
begin
  perform sluice.check_workspace(delete_consumer.workspace);
  delete from sluice.consumers c where c.id = delete_consumer.id and c.workspace = delete_consumer.workspace;
  return found;
end
$$;

comment on function sluice.delete_consumer is 'Whether there was one. A webhook loses its other rows with this one.';

-- Holding: by the gateway itself. In a transaction that has set a workspace, only consumers of that workspace. ------------

create function sluice.claim_consumers(
  kind text, node uuid, holder text, ids uuid[], at_most integer, lease_ms integer, takeover boolean
)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  free uuid[];
begin
  if ids is null then
    -- One that another process is claiming at this moment is not free.
    free := array(
      select o.id from sluice.consumers o
      where o.kind = 'webhook' and o.active and claim_consumers.kind = 'webhook' and o.lease_until < present
      order by o.id limit at_most
      for no key update skip locked
    );
  else
    -- Waits for acknowledgements that are being written. A claim that came first is seen after the wait.
    free := array(
      select o.id from sluice.consumers o
      where o.id = any (ids) and o.kind = claim_consumers.kind and o.active and (takeover or o.lease_until < present)
      order by o.id
      for no key update
    );
  end if;
  return query
  update sluice.consumers c
  set epoch = c.epoch + 1, fenced_by = 'taken-over', holder = claim_consumers.holder, holder_node = claim_consumers.node,
    held_since = present, lease_until = present + lease_ms * interval '1 millisecond', handed_position = null,
    handed_event_id = null, handed_at = null, in_flight = 0
  where c.id = any (free)
  returning c.*;
end
$$;

comment on function sluice.claim_consumers is
  'Claims the consumers of these ids that are free or whose leases have expired (all, with takeover); without ids, at most '
  'at_most free webhooks. A claimed consumer has a new epoch, and nothing of it is handed out. Returns the claimed ones.';

create function sluice.renew_consumers(node uuid, ids uuid[], epochs bigint[], lease_ms integer)
returns table (id uuid, epoch bigint, reason text)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  held uuid[];
begin
  held := array(
    select c.id from sluice.consumers c
    join unnest(ids, epochs) as h (id, epoch) on h.epoch = c.epoch and h.id = c.id
    where c.id = any (ids) and c.holder_node is not distinct from node
    order by c.id
    for no key update of c
  );
  update sluice.consumers c set lease_until = present + lease_ms * interval '1 millisecond' where c.id = any (held);
  return query
  select h.id, h.epoch, coalesce((select c.fenced_by from sluice.consumers c where c.id = h.id), 'deleted')
  from unnest(ids, epochs) as h (id, epoch)
  where h.id <> all (held);
end
$$;

comment on function sluice.renew_consumers is
  'Extends the leases of a process and returns those that it has lost, with the reason: taken-over, sought, changed, paused or '
  'deleted. An expired lease is valid again if nobody has claimed the consumer meanwhile.';

create function sluice.release_consumers(node uuid, ids uuid[], epochs bigint[]) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform from sluice.consumers c where c.id = any (ids) order by c.id for no key update;
  update sluice.consumers c
  set holder = null, holder_node = null, held_since = null, lease_until = '-infinity', handed_position = null,
    handed_event_id = null, handed_at = null, in_flight = 0
  from unnest(ids, epochs) as h (id, epoch)
  where c.id = any (ids) and h.id = c.id and h.epoch = c.epoch and c.holder_node is not distinct from node;
end
$$;

comment on function sluice.release_consumers is
  'Gives up leases. The epochs stay, so acknowledgements still count until the next claim.';

create function sluice.hand_out(ids uuid[], epochs bigint[], positions bigint[], event_ids uuid[], counts integer[], lease_ms integer)
returns table (id uuid, epoch bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  noted uuid[];
begin
  perform from sluice.consumers c where c.id = any (ids) order by c.id for no key update;
  with noted_rows as (
    update sluice.consumers c
    set handed_at = case when c.in_flight = 0 or c.handed_at is null then present else c.handed_at end,
      handed_position = h.position, handed_event_id = h.event_id, in_flight = h.count,
      lease_until = case when lease_ms is null then c.lease_until else present + lease_ms * interval '1 millisecond' end
    from unnest(ids, epochs, positions, event_ids, counts) as h (id, epoch, position, event_id, count)
    where c.id = any (ids) and h.id = c.id and h.epoch = c.epoch
    returning c.id
  )
  select coalesce(array_agg(n.id), '{}') into noted from noted_rows n;
  return query select h.id, h.epoch from unnest(ids, epochs) as h (id, epoch) where h.id <> all (noted);
end
$$;

comment on function sluice.hand_out is
  'Notes up to which event the holders have got events, and how many of them are not acknowledged. lease_ms: extends the leases '
  'too; null does not. Returns the consumers whose epoch is another by now.';

create function sluice.move_cursors(ids uuid[], epochs bigint[], positions bigint[], event_ids uuid[])
returns table (id uuid, epoch bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  own uuid[];
begin
  own := array(
    select c.id from sluice.consumers c
    join unnest(ids, epochs) as m (id, epoch) on m.epoch = c.epoch and m.id = c.id
    where c.id = any (ids)
    order by c.id
    for no key update of c
  );
  update sluice.consumers c
  set cursor_position = m.position, cursor_event_id = m.event_id, last_ack_at = clock_timestamp(),
    in_flight = case when m.position >= c.handed_position then 0
      else least(c.in_flight, greatest(c.handed_position - m.position, 0))::integer end
  from unnest(ids, positions, event_ids) as m (id, position, event_id)
  where c.id = any (own) and m.id = c.id and m.position > c.cursor_position;
  return query select m.id, m.epoch from unnest(ids, epochs) as m (id, epoch) where m.id <> all (own);
end
$$;

comment on function sluice.move_cursors is
  'Moves cursors forward to events of the log; a place that is not after the cursor changes nothing. At most one place for each '
  'consumer. Returns the consumers whose epoch is another by now, or that are gone: their cursors have not moved.';

create function sluice.announce(workspace text, type text, data json) returns void
language plpgsql
as $$
begin
  insert into sluice.pending (workspace, stream, type, data, way)
  values (announce.workspace, 'feed', announce.type, announce.data, 'system');
end
$$;

comment on function sluice.announce is
  'Internal. Publishes an event of a reserved type on the feed of a workspace when the transaction commits.';

create function sluice.announce_lag(consumer sluice.consumers, lag_events bigint, lag_seconds float8, lost boolean) returns void
language plpgsql
as $$
begin
  perform sluice.announce(consumer.workspace, 'consumer.lagging', json_build_object(
    'consumer', consumer.name, 'kind', consumer.kind, 'stream', consumer.stream, 'lag_events', lag_events,
    'lag_seconds', round(lag_seconds), 'lost', lost
  ));
end
$$;

comment on function sluice.announce_lag is 'Internal. Notifies the workspace of a consumer that it lags, or has lost events.';

create function sluice.reset_consumer(id uuid, epoch bigint, stream_id bigint, cursor_position bigint, cursor_event_id uuid)
returns table (consumer sluice.consumers, first_loss boolean)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  before sluice.consumers;
  lag record;
begin
  select c.* into before from sluice.consumers c
  where c.id = reset_consumer.id and c.epoch = reset_consumer.epoch for no key update;
  if not found then
    return;
  end if;
  if before.lost_at is null then
    select coalesce(f.events, 0) as events, coalesce(extract(epoch from clock_timestamp() - f.since), 0)::float8 as seconds
    into lag
    from (values (before.stream_id)) as b (id)
    left join lateral (select s.base_position from sluice.streams s where s.id = b.id limit 1) s on true
    cross join lateral sluice.consumer_lag(b.id, coalesce(s.base_position, before.cursor_position), before.cursor_position) f;
    perform sluice.announce_lag(before, lag.events, lag.seconds, true);
  end if;
  return query
  update sluice.consumers c
  set stream_id = reset_consumer.stream_id, cursor_position = reset_consumer.cursor_position,
    cursor_event_id = reset_consumer.cursor_event_id, lost_at = coalesce(c.lost_at, clock_timestamp()),
    handed_position = null, handed_event_id = null, handed_at = null, in_flight = 0
  where c.id = reset_consumer.id
  returning c, before.lost_at is null;
end
$$;

comment on function sluice.reset_consumer is
  'Puts the cursor of a consumer anywhere for its holder, because the log does not continue it. Notifies the workspace, '
  'unless it was notified of this loss before (first_loss: false). No row when the epoch is another by now.';

-- Lag. ------------------------------------------------------------------------------------------------------------------

create function sluice.consumer_lag(
  stream_id bigint, stream_base bigint, cursor_position bigint, out events bigint, out since timestamptz
)
language plpgsql stable
as $$
declare
  head bigint;
begin
  select e.position into head from sluice.events e
  where e.stream_id = consumer_lag.stream_id order by e.position desc limit 1;
  events := greatest(coalesce(head, stream_base) - cursor_position, 0);
  select e.at into since from sluice.events e
  where e.stream_id = consumer_lag.stream_id and e.position > consumer_lag.cursor_position order by e.position limit 1;
end
$$;

comment on function sluice.consumer_lag is
  'Internal. The number of positions after a cursor, and the time of the first stored event after it. Two probes.';

create function sluice.consumer_states(after uuid, at_most integer, warning interval, keep interval)
returns table (
  id uuid, workspace text, kind text, held boolean, lag_events bigint, lag_seconds float8, lagging boolean, lost boolean,
  changed boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
begin
  return query
  select c.id, c.workspace, c.kind, c.lease_until >= present, coalesce(l.events, 0), coalesce(l.seconds, 0),
    w.late or w.near or w.gone, w.gone,
    case
      -- A consumer that has not yet caught up still lags: no second notice while its lag varies around the limit.
      when w.late or w.near or w.gone then c.lagging_since is null or w.gone and c.lost_at is null
      else (c.lagging_since is not null or c.lost_at is not null) and coalesce(l.seconds, 0) < w.caught_up
    end
  from (select o.* from sluice.consumers o where o.id > after order by o.id limit at_most) c
  left join lateral (select s.id, s.kind, s.options, s.base_position from sluice.streams s where s.id = c.stream_id limit 1) s on true
  left join lateral (select w.options from sluice.workspaces w where w.workspace = c.workspace limit 1) o on true
  cross join lateral (
    select f.events, f.since, greatest(extract(epoch from present - f.since), 0)::float8 as seconds
    from sluice.consumer_lag(s.id, s.base_position, c.cursor_position) f
  ) l
  cross join lateral (
    select coalesce(o.options, '{}') || coalesce(s.options, '{}') as options
  ) r
  cross join lateral (
    select coalesce((r.options ->> 'max_age_seconds')::float8, extract(epoch from keep)::float8) as age,
      (r.options ->> 'max_events')::bigint as events
  ) k
  cross join lateral (
    select coalesce(s.base_position > c.cursor_position, false) as gone,
      coalesce(l.seconds > extract(epoch from warning)::float8, false) as late,
      s.kind = 'feed' and coalesce(l.seconds > 0.8 * k.age, false) or s.kind = 'feed' and coalesce(l.events > 0.8 * k.events, false) as near,
      coalesce(extract(epoch from warning)::float8 / 2, 1800) as caught_up
  ) w
  order by c.id;
end
$$;

comment on function sluice.consumer_states is
  'The next consumers after an id, of all workspaces, with their lag. lagging: the first event after the cursor is older than '
  'warning (null: any age), or retention (keep, unless options say otherwise; null keeps for ever) removes it within the last fifth of its time. '
  'lost: retention has removed it. changed: whether sluice.note_lag has something to note.';

create function sluice.note_lag(id uuid, lagging boolean, lost boolean, lag_events bigint, lag_seconds float8)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  noted sluice.consumers;
begin
  update sluice.consumers c
  set lagging_since = case when note_lag.lagging then coalesce(c.lagging_since, clock_timestamp()) end,
    lost_at = case when note_lag.lost then coalesce(c.lost_at, clock_timestamp()) when note_lag.lagging then c.lost_at end
  where c.id = note_lag.id and (
    (c.lagging_since is not null) <> note_lag.lagging or note_lag.lost and c.lost_at is null
    or not note_lag.lagging and c.lost_at is not null
  )
  returning c.* into noted;
  if found then
    if note_lag.lagging then
      perform sluice.announce_lag(noted, note_lag.lag_events, note_lag.lag_seconds, note_lag.lost);
    end if;
    return next noted;
  end if;
end
$$;

comment on function sluice.note_lag is
  'Notes that a consumer lags or no longer does, and whether its cursor is lost, and notifies its workspace unless it has caught up. '
  'No row when that was noted before.';

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
      when c.relname in ('streams', 'events', 'jobs', 'workspaces', 'deleted_streams', 'compactions', 'latest', 'consumers') then 'select'
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
        'fence_consumer', 'seek_consumer', 'delete_consumer')
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
