-- Up Migration

-- Workers of logical replication write to watched tables too, also in transactions that are prepared and with the rights of a table's
-- owner alone; and the actor of an event is checked by the call that names it.
--
-- Before, such a worker failed again and again, and replication stood still: NOTIFY cannot be prepared, and Postgres defers no trigger
-- of a role that it does not trust. An actor that is too long failed the COMMIT, by the name of a constraint.

create or replace function sluice.wake(stream_ids bigint[]) returns void
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
  -- A worker of logical replication has no client, and prepares what was prepared at the publisher.
  if current_query() is null and exists (
    select from pg_subscription s
    where s.subdbid = (select d.oid from pg_database d where d.datname = current_database()) and s.subtwophasestate <> 'd'
  ) then
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

create function sluice.begin_applied(relation oid) returns void
language plpgsql
as $$
declare
  tried text := coalesce(current_setting('sluice.applied', true), '');
begin
  if strpos(tried, format(' %s ', relation)) > 0 then
    return;
  end if;
  begin
    insert into sluice.pending (workspace, stream, type, data) values ('-', '-', '-', '{}');
    raise sqlstate 'SL999';
  exception
    when sqlstate 'SL999' then
      perform set_config('sluice.applied', format('%s %s ', tried, relation), true);
    when insufficient_privilege then
      set constraints sluice.append_at_commit immediate;
    -- Stored at once already, where no stream has this name.
    when check_violation then null;
  end;
end
$$;

comment on function sluice.begin_applied is
  'Internal. Postgres refuses to defer a trigger while a worker of logical replication acts as the owner of a table whom it does not '
  'trust. Then the events of the transaction are stored at once. Tried once in a transaction for each table.';

create or replace function sluice.publish_row() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The options of sluice.watch.
  options json := tg_argv[0];
  name text := options ->> 'name';
  fixed boolean := options ->> 'workspace_column' is null and options ->> 'stream_column' is null
    and options ->> 'stream' is not null;
  off boolean := current_setting('sluice.watch', true) is not distinct from 'off';
  -- (workspace, stream, change, data, previous data) for each event.
  changes text[] := nullif(current_setting('sluice.change', true), '')::text[];
  reason text;
begin
  if cardinality(changes) > 0 and current_setting('session_replication_role') = 'replica' and current_query() is null then
    perform sluice.begin_applied(tg_relid);
  end if;
  for i in 1 .. coalesce(cardinality(changes), 0) by 5 loop
    -- A row whose workspace or stream is null publishes nothing.
    continue when changes[i] is null or changes[i + 1] is null;
    perform sluice.check_type(name || '.' || changes[i + 2]);
    if fixed then
      perform sluice.check_names(changes[i], changes[i + 1]);
    else
      reason := sluice.why_unpublished(changes[i], changes[i + 1]);
      if reason is not null then
        perform sluice.note_unpublished(tg_relid, reason, case reason when 'workspace' then changes[i] else changes[i + 1] end, 1);
        continue;
      end if;
    end if;
    if off and changes[i + 2] <> 'truncated' then
      continue when exists (
        select from sluice.pending p where p.transaction_id = pg_current_xact_id() and p.workspace = changes[i]
          and p.stream = changes[i + 1] and p.type = name || '.bulk_changed'
      );
      changes[i + 2] := 'bulk_changed';
      changes[i + 3] := '{}';
      changes[i + 4] := null;
    end if;
    insert into sluice.pending (workspace, stream, type, data, watched)
    values (changes[i], changes[i + 1], name || '.' || changes[i + 2],
      sluice.row_data(changes[i + 3], changes[i + 4], options ->> 'old', tg_relid::regclass)::json,
      case when not fixed then tg_relid end);
  end loop;
  perform set_config('sluice.change', '', true);
  return null;
end
$$;

create function sluice.check_actor(actor text) returns void
language plpgsql immutable
as $$
begin
  if octet_length(actor) > 1024 then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the actor is %s bytes', octet_length(actor)),
      detail = 'An actor has at most 1024 bytes.',
      hint = 'Pass the id of who caused the event.';
  end if;
end
$$;

comment on function sluice.check_actor is 'Internal. Raises SL002 for an actor that an event has no room for.';

create or replace function sluice.enqueue(
  workspace text, stream text, type text, data json, actor text, watched regclass default null, traceparent text default null
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
  perform sluice.check_actor(enqueue.actor);
  -- Fails early if the refusal can be seen already. What changes until COMMIT is checked there.
  select s.id into stream_id from sluice.streams s where s.workspace = enqueue.workspace and s.name = enqueue.stream;
  if found then
    perform sluice.refuse_closed(array[stream_id]);
  elsif enqueue.stream <> 'feed' and sluice.stream_room(enqueue.workspace) = 0 then
    perform sluice.refuse_streams(enqueue.workspace);
  end if;
  insert into sluice.pending (workspace, stream, type, data, actor, way, traceparent)
  values (enqueue.workspace, enqueue.stream, enqueue.type, enqueue.data, enqueue.actor,
    case when enqueue.watched is null then 'sql' else 'watch' end, enqueue.traceparent)
  returning event_id into id;
  return id;
end
$$;

create or replace function sluice.append(
  workspace text, stream text, type text, data json, actor text default null, traceparent text default null,
  -- A gateway that does not know this argument sets the workspace of its transactions. An application does not.
  way text default case when coalesce(current_setting('sluice.workspace', true), '') = '' then 'sql' end
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  locked bigint;
begin
  perform sluice.check_names(append.workspace, append.stream, system => true);
  perform sluice.check_type(append.type, system => append.workspace = '$system');
  perform sluice.check_data(append.data);
  perform sluice.check_actor(append.actor);
  if append.way <> all (array['http', 'engine', 'item', 'job', 'runner', 'sql', 'watch', 'backfill', 'system']) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %L is not a way of publishing', left(append.way, 200)),
      hint = 'Leave the argument way out.';
  end if;

  -- The fast path for one existing stream. It reads the tail as sluice.tails does.
  select s.id into locked from sluice.streams s
  where s.workspace = append.workspace and s.name = append.stream for no key update;
  if not found then
    locked := (sluice.lock_streams(array[append.workspace], array[append.stream]))[1];
  end if;
  perform sluice.refuse_closed(array[locked]);
  begin
    return query
    insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor, way, traceparent)
    select s.id, coalesce(l.position, s.base_position) + 1, greatest(l.at, s.base_at, clock_timestamp()),
      gen_random_uuid(), append.type, append.data, append.actor,
      case when append.workspace = '$system' then 'system' else append.way end,
      coalesce(sluice.checked_traceparent(append.traceparent), sluice.current_traceparent())
    from sluice.streams s
    left join lateral (
      select l.position, l.at from sluice.events l where l.stream_id = s.id order by l.position desc limit 1
    ) l on true
    where s.id = locked
    returning e.stream_id, e.position, e.event_id, e.at;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
end
$$;

create or replace function sluice.redact(
  workspace text, stream text, "position" bigint, reason text, actor text default null, keep_actor boolean default false
)
returns boolean
language plpgsql security definer
as $$
declare
  id bigint := sluice.redactable_stream(workspace, stream, reason);
begin
  perform sluice.check_actor(actor);
  if not exists (select from sluice.events e where e.stream_id = id and e.position = redact.position) then
    return null;
  end if;
  return sluice.redact_positions(id, array[position], null, reason, actor, keep_actor) > 0;
end
$$;

create or replace function sluice.redact_where(
  workspace text, stream text, contains jsonb, reason text, actor text default null, keep_actor boolean default false,
  after bigint default 0, at_most int default 1000, out redacted bigint, out up_to bigint
)
language plpgsql security definer
as $$
declare
  id bigint := sluice.redactable_stream(workspace, stream, reason);
  positions bigint[];
begin
  perform sluice.check_actor(actor);
  if contains is null or jsonb_typeof(contains) <> 'object' or contains = '{}' or coalesce(at_most, 0) not between 1 and 10000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'redact_where needs a JSON object with at least one member, and a batch of 1 to 10000 events';
  end if;
  positions := array(
    select e.position from sluice.events e
    where e.stream_id = id and e.position > coalesce(after, 0) and e.redacted_at is null
      and sluice.data_contains(e.data, contains)
    order by e.position limit at_most
  );
  redacted := sluice.redact_positions(id, positions, null, reason, actor, keep_actor);
  if cardinality(positions) = at_most then
    up_to := positions[at_most];
  end if;
end
$$;

revoke all on all functions in schema sluice from public;
