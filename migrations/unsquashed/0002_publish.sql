-- Up Migration

-- Publish: what an application calls inside its own transaction, so that its change and the event commit together or
-- not at all (I2). The event waits in sluice.pending until COMMIT and is appended there. So no stream is locked
-- while the application's transaction is still at work, transactions that publish to A, B and to B, A do not deadlock,
-- and savepoints and rollbacks take their events with them.

create unlogged table sluice.pending (
  transaction_id xid8 not null default pg_current_xact_id(),
  ordinal bigint generated always as identity,
  workspace text collate "C" not null,
  stream text collate "C" not null,
  event_id uuid not null default gen_random_uuid(),
  type text not null,
  data json not null,
  actor text,
  primary key (transaction_id, ordinal)
);

alter table sluice.pending alter column data set storage external;

comment on table sluice.pending is
  'Events of transactions that have not committed; empty to everybody else. A crash empties it, as it ends those transactions.';

create function sluice.append_pending() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  ids bigint[];
begin
  -- Called once for each event of the transaction. The first call takes them all, so the others find theirs gone.
  if not exists (
    select from sluice.pending p where p.transaction_id = new.transaction_id and p.ordinal = new.ordinal
  ) then
    return null;
  end if;

  select sluice.lock_streams(array_agg(t.workspace), array_agg(t.stream)) into ids
  from (select distinct p.workspace, p.stream from sluice.pending p where p.transaction_id = new.transaction_id) t;
  perform sluice.refuse_closed(ids);

  begin
    insert into sluice.events (stream_id, position, at, event_id, type, data, actor)
    select t.stream_id, t.position + row_number() over (partition by t.stream_id order by p.ordinal),
      t.at, p.event_id, p.type, p.data, p.actor
    from sluice.pending p
    cross join lateral (
      select s.id from sluice.streams s where s.workspace = p.workspace and s.name = p.stream limit 1
    ) s
    join sluice.tails(ids) t on t.stream_id = s.id
    where p.transaction_id = new.transaction_id;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
  delete from sluice.pending p where p.transaction_id = new.transaction_id;

  -- A payload has at most 7,999 bytes, a number at most 19 digits and its comma.
  if current_setting('sluice.notify', true) is distinct from 'off' then
    perform pg_notify('sluice_wake', ':' || string_agg(i.id::text, ','))
    from unnest(ids) with ordinality as i (id, place)
    group by (i.place - 1) / 380;
  end if;
  return null;
end
$$;

comment on function sluice.append_pending is
  'Internal. At COMMIT, appends the events that this transaction has published, in the order of the calls, and wakes the gateways.';

create constraint trigger append_at_commit
  after insert on sluice.pending
  deferrable initially deferred
  for each row execute function sluice.append_pending();

-- Also for sessions that switch triggers off by session_replication_role: they asked to publish.
alter table sluice.pending enable always trigger append_at_commit;

create function sluice.enqueue(
  workspace text, stream text, type text, data json, actor text, watched regclass default null
)
returns uuid
language plpgsql
as $$
#variable_conflict use_column
declare
  stream_id bigint;
  id uuid;
begin
  perform sluice.check_names(enqueue.workspace, enqueue.stream, watched => enqueue.watched);
  perform sluice.check_type(enqueue.type);
  perform sluice.check_data(enqueue.data, enqueue.watched);
  -- Told early if it can be seen already; what happens from here to COMMIT is seen there.
  select s.id into stream_id from sluice.streams s where s.workspace = enqueue.workspace and s.name = enqueue.stream;
  perform sluice.refuse_closed(array[stream_id]);
  insert into sluice.pending (workspace, stream, type, data, actor)
  values (enqueue.workspace, enqueue.stream, enqueue.type, enqueue.data, enqueue.actor)
  returning event_id into id;
  return id;
end
$$;

comment on function sluice.enqueue is 'Internal. Publishes; watched is the table whose change it is, for messages.';

create function sluice.publish(workspace text, stream text, type text, data json, actor text default null)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return sluice.enqueue(workspace, stream, type, data, actor);
end
$$;

comment on function sluice.publish is
  'Publishes an event when the calling transaction commits, and with it. Returns the event''s UUID; its position is known at '
  'COMMIT. data is a JSON object of at most 256 KiB and 64 levels. Wakes the gateways with a NOTIFY unless sluice.notify is '
  '''off''; then they find the event at their next poll. '
  'SL001: the stream is closed, at the call or at COMMIT. SL002: invalid event. 40001, under REPEATABLE READ and above: retry. '
  'Grant: grant usage on schema sluice to app; grant execute on function sluice.publish to app;';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
