-- Up Migration

-- Publish: an application calls it inside its own transaction.
--
-- Invariant (I2): the application's change and its event commit together or not at all. The event waits in sluice.pending
-- and is appended at COMMIT. No stream is locked while the application's transaction is still at work, two transactions
-- that publish to A, B and to B, A do not deadlock, and savepoints and rollbacks take their events with them.
--
-- Invariant (I6): a wake never fails the transaction that it announces. NOTIFY is part of the transaction that calls it:
-- when the queue of notifications is full, COMMIT fails with 54000; and PREPARE TRANSACTION refuses a transaction that has
-- called it. In these cases sluice.publish and watched tables send no NOTIFY, and the gateways' poll finds the event.

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
select sluice.guard('sluice.pending');

comment on table sluice.pending is
  'Published events of transactions that have not committed, so every other transaction sees it empty. A crash empties it and '
  'ends those transactions too.';

create function sluice.wake(stream_ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
  if current_setting('sluice.notify', true) is not distinct from 'off' then
    return;
  end if;
  -- Only the text of the client's statement shows whether the transaction commits or is being prepared. If a statement
  -- contains both words and means something else, one wake is lost.
  if current_setting('max_prepared_transactions')::int > 0 and current_query() ~* 'prepare.*transaction' then
    return;
  end if;
  -- This call also advances the tail of the queue. Otherwise Postgres would go on refusing after the session that held the
  -- queue up has gone.
  if pg_notification_queue_usage() > 0.5 then
    return;
  end if;
  -- A payload has at most 7,999 bytes; a number has at most 19 digits and a comma.
  perform pg_notify('sluice_wake', ':' || string_agg(i.id::text, ','))
  from unnest(stream_ids) with ordinality as i (id, place)
  group by (i.place - 1) / 380;
end
$$;

comment on function sluice.wake is
  'Internal. Notifies the gateways that these streams have grown, unless the NOTIFY could fail the transaction: when more '
  'than half of the queue of notifications is in use, or when the transaction is being prepared.';

create function sluice.append_pending() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
  ids bigint[];
  woken bigint[];
begin
  if told <> '' then
    perform set_config('sluice.workspace', '', true);
  end if;
  -- Called once for each event of the transaction. The first call appends all of them, so the others find theirs gone.
  if exists (
    select from sluice.pending p where p.transaction_id = new.transaction_id and p.ordinal = new.ordinal
  ) then
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

    select array_agg(s.id) into woken from sluice.streams s where s.id = any (ids) and s.workspace <> '$system';
    perform sluice.wake(woken);
  end if;
  if told <> '' then
    perform set_config('sluice.workspace', told, true);
  end if;
  return null;
end
$$;

comment on function sluice.append_pending is
  'Internal. Appends at COMMIT the events that this transaction has published, in the order of the calls, and wakes the gateways.';

create constraint trigger append_at_commit
  after insert on sluice.pending
  deferrable initially deferred
  for each row execute function sluice.append_pending();

-- ALWAYS: it also fires in sessions that switch triggers off by session_replication_role, because they asked to publish.
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
  -- Fails early if the refusal can be seen already. What changes until COMMIT is checked there.
  select s.id into stream_id from sluice.streams s where s.workspace = enqueue.workspace and s.name = enqueue.stream;
  if found then
    perform sluice.refuse_closed(array[stream_id]);
  elsif enqueue.stream <> 'feed' and sluice.stream_room(enqueue.workspace) = 0 then
    perform sluice.refuse_streams(enqueue.workspace);
  end if;
  insert into sluice.pending (workspace, stream, type, data, actor)
  values (enqueue.workspace, enqueue.stream, enqueue.type, enqueue.data, enqueue.actor)
  returning event_id into id;
  return id;
end
$$;

comment on function sluice.enqueue is 'Internal. Publishes. watched: the table whose change this is, for messages.';

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
  'Publishes an event together with the calling transaction, when that commits. Returns the event''s UUID; its position is '
  'known at COMMIT. data: a JSON object of at most 256 KiB and 64 levels. Wakes the gateways with a NOTIFY unless sluice.notify '
  'is ''off''; then they find the event at their next poll. '
  'SL001: the stream is closed, at the call or at COMMIT. SL002: invalid event. 40001, under REPEATABLE READ and above: retry. '
  'Grant: grant usage on schema sluice to app; grant execute on function sluice.publish to app;';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
