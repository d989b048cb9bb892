-- Up Migration

-- The log: streams of events with dense positions, in commit order (I3).
--
-- A stream's row is a mutex. An append locks it FOR NO KEY UPDATE until its transaction ends, reads the tail of
-- the stream in a NEW statement (under READ COMMITTED a new statement has a new snapshot, which sees what the
-- previous holder committed) and inserts tail + 1, tail + 2, … The row is never updated by an append: a hot row
-- that is updated grows a chain of versions, which every append walks while any old snapshot is open.
--
-- Locks are always taken in one order, so that calls do not deadlock with each other: missing streams are created in the
-- order (workspace, name), idempotency keys are claimed in the order (workspace, actor, key), existing streams are
-- locked in ascending id.
--
-- Only the functions write these tables. Entry points are SECURITY DEFINER with a pinned search_path, executable by
-- nobody until granted. They also pin how plans are made. No sequential scans: these tables are born empty and grow
-- within one session, and a plan that was cached while a table was empty would scan it whole for ever after. Generic
-- plans: there is one good plan for each statement, and making it takes longer than running it.

-- The schema itself is made by src/database/migrate.ts, or beforehand by somebody who may.
comment on schema sluice is
  'The log of Sluice. To let an application publish from its own transactions: '
  'grant usage on schema sluice to app; grant execute on function sluice.publish to app;';

-- Names, by the patterns of src/events/event.ts. The length stands apart: a bounded repetition ({0,127}) makes the
-- match fifteen times as slow. All characters that match are single bytes.

create function sluice.is_workspace(name text) returns boolean
language sql immutable
return name ~ '^[A-Za-z0-9][A-Za-z0-9._:@-]*$' and octet_length(name) <= 128;

create function sluice.is_stream(name text) returns boolean
language sql immutable
return name ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]*$' and octet_length(name) <= 128;

create function sluice.is_type(name text) returns boolean
language sql immutable
return name ~ '^[A-Za-z][A-Za-z0-9._:/-]*$' and octet_length(name) <= 128;

comment on function sluice.is_workspace is 'Whether this names a workspace: 1 to 128 of A-Z a-z 0-9 . _ : @ - and first a letter or digit.';
comment on function sluice.is_stream is 'Whether this names a stream: 1 to 128 of A-Z a-z 0-9 . _ : / - and first a letter or digit.';
comment on function sluice.is_type is 'Whether this is a type: 1 to 128 of A-Z a-z 0-9 . _ : / - and first a letter.';

-- Collation "C": the unique index decides which log a name means, and must not change its order with the system's locales.
create table sluice.streams (
  id bigint generated always as identity primary key,
  workspace text collate "C" not null check (sluice.is_workspace(workspace) or workspace = '$system'),
  name text collate "C" not null check (sluice.is_stream(name)),
  kind text not null default 'feed' check (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
  base_position bigint not null default 0 check (base_position >= 0),
  base_event_id uuid not null default gen_random_uuid(),
  base_at timestamptz,
  closed_at timestamptz,
  unique (workspace, name)
);

comment on table sluice.streams is
  'One ordered log of events each. The row is the mutex of its appends. The workspace $system is the gateway''s own: '
  'no token and no application can name it.';
comment on column sluice.streams.kind is 'What retention goes by: feed, system, …';
comment on column sluice.streams.base_position is
  'Position of the last event that retention removed; 0 when it removed none. The first event is base_position + 1.';
comment on column sluice.streams.base_event_id is
  'UUID of that event, so that an event id at the base can still be verified; random when there is none.';
comment on column sluice.streams.base_at is 'Time of that event.';
comment on column sluice.streams.closed_at is 'Set once; a closed stream takes no more events.';

-- No foreign key to streams: only the functions write here, under a lock on the stream's row that is stronger
-- than the one a foreign key would take again for each event.
create table sluice.events (
  stream_id bigint not null,
  position bigint not null check (position > 0),
  at timestamptz not null,
  event_id uuid not null,
  type text not null check (sluice.is_type(type)),
  data json not null check (json_typeof(data) = 'object' and octet_length(data::text) <= 262144),
  actor text check (octet_length(actor) <= 1024),
  primary key (stream_id, position)
);

-- Without compression the stored size is the size on the wire: a page is cut by bytes without reading what lies beyond.
alter table sluice.events alter column data set storage external;

comment on table sluice.events is
  'The events. Positions of a stream are dense (1, 2, 3, …) and in commit order. Written by functions only, never updated.';
comment on column sluice.events.at is 'Never earlier than that of the event before it in the stream.';
comment on column sluice.events.event_id is 'Its first 30 bits are the check in the event id that clients hold.';
comment on column sluice.events.data is 'A JSON object of at most 256 KiB; the text is kept as it was published.';
comment on column sluice.events.actor is 'Who published: the id of a principal, or whatever an application says.';

create table sluice.idempotency_keys (
  workspace text collate "C" not null,
  actor text collate "C" not null,
  key text collate "C" not null,
  fingerprint text not null,
  created_at timestamptz not null,
  stream_id bigint,
  first_position bigint,
  event_ids uuid[],
  at timestamptz,
  primary key (workspace, actor, key)
);

create index on sluice.idempotency_keys (created_at);

comment on table sluice.idempotency_keys is
  'Publishes that carried an Idempotency-Key, with their results, so that a retry is answered and not stored again. '
  'Belongs to workspace and actor: nobody reads the result of somebody else.';
comment on column sluice.idempotency_keys.fingerprint is 'Hash of the request: the same key with another request is refused.';
comment on column sluice.idempotency_keys.event_ids is
  'UUIDs of the events at first_position and after. Null only while the transaction that claimed the key is at work.';

-- What an event may be: the limits of src/events/event.ts, for those who publish from SQL. -----------------------

create function sluice.reserved_types() returns text[]
language sql immutable
return array['open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired'];

comment on function sluice.reserved_types is
  'Types that no event may have: the wire and EventSource itself use these names.';

create function sluice.check_names(workspace text, stream text, system boolean default false, watched regclass default null)
returns void
language plpgsql immutable
as $$
begin
  if not coalesce(sluice.is_workspace(workspace) or system and workspace = '$system', false) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event%s: %s is not a workspace', ' of the watched table ' || watched::text,
        coalesce(quote_literal(left(workspace, 200)), 'null')),
      detail = 'A workspace is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : @ - and starts with a letter or a digit.',
      hint = 'Pass the workspace to which the event belongs.';
  end if;
  if not coalesce(sluice.is_stream(stream), false) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is not a stream', coalesce(quote_literal(left(stream, 200)), 'null')),
      detail = 'A stream is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter or a digit.',
      hint = 'The stream that clients follow unless they name another is feed.';
  end if;
end
$$;

comment on function sluice.check_names is 'Internal. Raises SL002 unless workspace and stream are names.';

create function sluice.check_type(type text, system boolean default false) returns void
language plpgsql immutable
as $$
begin
  if not coalesce(sluice.is_type(type), false) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is not a type', coalesce(quote_literal(left(type, 200)), 'null')),
      detail = 'A type is 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter.',
      hint = 'Name what happened, such as item.created.';
  end if;
  if not system and type = any (sluice.reserved_types()) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the type %L is reserved', type),
      detail = 'Clients receive messages of this name that are not events, and could not tell them apart.',
      hint = 'Name what happened, such as item.created.';
  end if;
end
$$;

comment on function sluice.check_type is 'Internal. Raises SL002 unless an event may have this type.';

create function sluice.depth(data json) returns int
language sql immutable
return (
  select coalesce(max(level), 0)
  from (
    select sum(case when bracket in ('{', '[') then 1 else -1 end) over (order by place) as level
    from string_to_table(
      regexp_replace(data::text, '"(?:\\.|[^"\\])*"|[^][{}"]+', '', 'g'), null
    ) with ordinality as b (bracket, place)
  ) levels
);

comment on function sluice.depth is 'Internal. Levels of objects and arrays in a JSON text.';

create function sluice.check_data(data json, watched regclass default null) returns void
language plpgsql immutable
as $$
declare
  body text := data::text;
  what text := coalesce('a row of the watched table ' || watched::text, 'the data');
  remedy text := case
    when watched is null then 'Publish what changed or a reference to it, not the whole.'
    else format('Watch fewer columns: select sluice.watch(%L, columns => array[…], …).', watched::text)
  end;
begin
  if json_typeof(data) is distinct from 'object' then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is %s, not a JSON object', what, coalesce('of type ' || json_typeof(data), 'null')),
      hint = 'Wrap it, for example as json_build_object(''value'', …).';
  end if;
  if octet_length(body) > 262144 then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is %s bytes as JSON', what, octet_length(body)),
      detail = 'An event carries at most 262144 bytes (256 KiB).',
      hint = remedy;
  end if;
  -- There are no more levels than opening brackets, and nearly all data has few of these.
  if octet_length(body) - octet_length(translate(body, '{[', '')) > 64 and sluice.depth(data) > 64 then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s has %s levels', what, sluice.depth(data)),
      detail = 'Objects and arrays of an event are nested at most 64 levels deep: clients parse them recursively.',
      hint = remedy;
  end if;
end
$$;

comment on function sluice.check_data is
  'Internal. Raises SL002 unless an event may carry this data. watched is the table that it comes from, for the message.';

-- The parts of an append. -----------------------------------------------------------------------------------------

create function sluice.lock_streams(workspaces text[], names text[]) returns bigint[]
language plpgsql
as $$
declare
  ids bigint[];
begin
  -- Looked up first: an insert that meets its conflict would burn a number of the sequence. The scalar subqueries,
  -- here and below, are probes of the unique index that no planner turns into a scan of all streams.
  insert into sluice.streams (workspace, name, kind)
  select w.workspace, w.name, case w.workspace when '$system' then 'system' else 'feed' end
  from (select distinct u.workspace, u.name from unnest(workspaces, names) as u (workspace, name)) w
  where (select s.id from sluice.streams s where s.workspace = w.workspace and s.name = w.name) is null
  order by w.workspace collate "C", w.name collate "C"
  on conflict (workspace, name) do nothing;

  ids := array(
    select (select s.id from sluice.streams s where s.workspace = w.workspace and s.name = w.name)
    from unnest(workspaces, names) with ordinality as w (workspace, name, place)
    order by w.place
  );
  perform from sluice.streams s where s.id = any (ids) order by s.id for no key update;
  return ids;
end
$$;

comment on function sluice.lock_streams is
  'Internal. Creates the streams that are missing, locks all in ascending id, returns the ids in the order of the arguments.';

create function sluice.refuse_closed(stream_ids bigint[]) returns void
language plpgsql
as $$
declare
  stream record;
begin
  select s.workspace, s.name into stream
  from sluice.streams s
  where s.id = any (stream_ids) and s.closed_at is not null
  order by s.id
  limit 1;
  if found then
    raise exception using
      errcode = 'SL001',
      message = format('the stream %L of workspace %L is closed', stream.name, stream.workspace),
      detail = 'A closed stream has had its last event and takes no more.',
      hint = 'Publish to another stream.';
  end if;
end
$$;

comment on function sluice.refuse_closed is 'Internal. Raises SL001 when one of the streams is closed.';

create function sluice.refuse_snapshot() returns void
language plpgsql
as $$
begin
  raise exception using
    errcode = 'serialization_failure',
    message = 'could not append: the stream has grown since this transaction took its snapshot',
    detail = format('The transaction runs at %s, so it does not see the tail of the stream.', current_setting('transaction_isolation')),
    hint = 'Retry the transaction. Under READ COMMITTED this does not happen.';
end
$$;

comment on function sluice.refuse_snapshot is
  'Internal. Turns the clash of two positions, which only an old snapshot can cause, into 40001: retry.';

create function sluice.tails(stream_ids bigint[])
returns table (stream_id bigint, "position" bigint, at timestamptz)
language plpgsql
as $$
begin
  return query
  select s.id, coalesce(e.position, s.base_position), greatest(e.at, s.base_at, clock_timestamp())
  from sluice.streams s
  left join lateral (
    select e.position, e.at from sluice.events e where e.stream_id = s.id order by e.position desc limit 1
  ) e on true
  where s.id = any (stream_ids);
end
$$;

comment on function sluice.tails is
  'Internal. The last position of each stream and the time of what is appended next: not now(), which is the start of '
  'the transaction and can run backwards against positions. The streams must be locked.';

-- Entry points. ---------------------------------------------------------------------------------------------------

create function sluice.append(workspace text, stream text, type text, data json, actor text default null)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  locked bigint;
begin
  perform sluice.check_names(append.workspace, append.stream, system => true);
  perform sluice.check_type(append.type, system => append.workspace = '$system');
  perform sluice.check_data(append.data);

  -- The short way for one stream that exists; the tail is read as in sluice.tails.
  select s.id into locked from sluice.streams s
  where s.workspace = append.workspace and s.name = append.stream for no key update;
  if not found then
    locked := (sluice.lock_streams(array[append.workspace], array[append.stream]))[1];
  end if;
  perform sluice.refuse_closed(array[locked]);
  begin
    return query
    insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor)
    select s.id, coalesce(l.position, s.base_position) + 1, greatest(l.at, s.base_at, clock_timestamp()),
      gen_random_uuid(), append.type, append.data, append.actor
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

comment on function sluice.append is
  'Appends one event at once and returns its place. The stream is locked until the transaction ends, so commit soon; '
  'a transaction that goes on working calls sluice.publish instead. Sends no NOTIFY. '
  'SL001: the stream is closed. SL002: invalid event. 40001: retry.';

create function sluice.append_requests(
  workspaces text[], streams text[], actors text[], keys text[], fingerprints text[],
  request_of int[], types text[], data text[]
)
returns table (
  request int, stream_id bigint, "position" bigint, event_id uuid, at timestamptz, refused text, replayed boolean
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
-- One transaction that keeps its stream locked must not hold up the gateway's publishers to all others.
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  ids bigint[];
begin
  if array(select distinct r from unnest(request_of) r order by r) is distinct from
     array(select generate_series(1, cardinality(workspaces))) then
    raise exception using
      errcode = 'SL002',
      message = 'invalid event: request_of must name each request at least once, and no other';
  end if;
  perform sluice.check_names(r.workspace, r.stream)
  from (select distinct u.workspace, u.stream from unnest(workspaces, streams) as u (workspace, stream)) r;
  perform sluice.check_type(e.type) from (select distinct u.type from unnest(types) as u (type)) e;

  -- Claims the keys. Another transaction that holds one is waited for here, before any stream is locked. A key that
  -- exists is locked without being written (the WHERE is false), so that it cannot expire meanwhile.
  if exists (select from unnest(keys) as u (key) where u.key is not null) then
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    select distinct on (r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C")
      r.workspace, coalesce(r.actor, ''), r.key, coalesce(r.fingerprint, ''), clock_timestamp()
    from unnest(workspaces, actors, keys, fingerprints) with ordinality as r (workspace, actor, key, fingerprint, request)
    where r.key is not null
    order by r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C", r.request
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
  end if;

  ids := sluice.lock_streams(workspaces, streams);

  begin
    return query
    with
    -- A key without a result was claimed above; the first request that carries it owns it, others follow its fate.
    asked as materialized (
      select
        r.request::int as request, r.workspace, coalesce(r.actor, '') as holder, r.actor, r.key, ids[r.request] as stream_id,
        k.stream_id as known_stream_id, k.first_position, k.event_ids, k.at,
        case when r.key is null then r.request
             else min(r.request) over (partition by r.workspace, coalesce(r.actor, ''), r.key) end as owner,
        case when k.fingerprint <> coalesce(r.fingerprint, '') then 'idempotency-key-reused'
             when k.event_ids is null and s.closed_at is not null then 'stream-closed' end as refused
      from unnest(workspaces, actors, keys, fingerprints)
        with ordinality as r (workspace, actor, key, fingerprint, request)
      cross join lateral (
        select s.closed_at from sluice.streams s where s.id = ids[r.request] limit 1
      ) s
      left join lateral (
        select k.* from sluice.idempotency_keys k
        where k.workspace = r.workspace and k.actor = coalesce(r.actor, '') and k.key = r.key limit 1
      ) k on true
    ),
    placed as materialized (
      select
        a.request, a.key, a.stream_id, t.at, gen_random_uuid() as event_id, e.type, e.data, a.actor,
        t.position + row_number() over (partition by a.stream_id order by a.request, e.place) as position
      from unnest(request_of, types, data) with ordinality as e (request, type, data, place)
      join asked a on a.request = e.request
      join sluice.tails(ids) t on t.stream_id = a.stream_id
      where a.owner = a.request and a.event_ids is null and a.refused is null
    ),
    stored as (
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor)
      select p.stream_id, p.position, p.at, p.event_id, p.type, p.data::json, p.actor from placed p
      order by p.stream_id, p.position
    ),
    remembered as (
      update sluice.idempotency_keys k
      set stream_id = p.stream_id, first_position = p.first_position, event_ids = p.event_ids, at = p.at
      from asked a
      join (
        select p.request, p.stream_id, p.at, min(p.position) as first_position, array_agg(p.event_id order by p.position) as event_ids
        from placed p where p.key is not null group by p.request, p.stream_id, p.at
      ) p on p.request = a.request
      where k.workspace = a.workspace and k.actor = a.holder and k.key = a.key
    ),
    -- What was refused may be tried again with the same key.
    forgotten as (
      delete from sluice.idempotency_keys k
      using asked a
      where a.owner = a.request and a.event_ids is null and a.refused is not null
        and k.workspace = a.workspace and k.actor = a.holder and k.key = a.key
    )
    select a.request, p.stream_id, p.position, p.event_id, p.at, null, a.request <> a.owner
    from asked a join placed p on p.request = a.owner
    where a.refused is null
    union all
    select a.request, a.known_stream_id, a.first_position + known.place - 1, known.event_id, a.at, null, true
    from asked a cross join lateral unnest(a.event_ids) with ordinality as known (event_id, place)
    where a.refused is null
    union all
    select a.request, null, null, null, null, a.refused, false
    from asked a where a.refused is not null
    order by 1, 3;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
end
$$;

comment on function sluice.append_requests is
  'The group commit of the gateway, which has validated the requests: the first five arrays have one element per request, the '
  'last three one per event, request_of being the place of its request. A request is stored whole or refused '
  '(stream-closed, idempotency-key-reused) without touching its neighbours. Sends no NOTIFY.';

create function sluice.ensure_stream(workspace text, stream text, kind text default 'feed') returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  perform sluice.check_names(ensure_stream.workspace, ensure_stream.stream, system => true);
  insert into sluice.streams (workspace, name, kind)
  select ensure_stream.workspace, ensure_stream.stream, ensure_stream.kind
  where not exists (
    select from sluice.streams s where s.workspace = ensure_stream.workspace and s.name = ensure_stream.stream
  )
  on conflict (workspace, name) do nothing;
  return (select s.id from sluice.streams s where s.workspace = ensure_stream.workspace and s.name = ensure_stream.stream);
end
$$;

comment on function sluice.ensure_stream is
  'The id of a stream, which is created when it is missing. A stream that exists keeps its kind.';

create function sluice.close_stream(stream_id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update sluice.streams s set closed_at = clock_timestamp()
  where s.id = close_stream.stream_id and s.closed_at is null;
  return found;
end
$$;

comment on function sluice.close_stream is
  'Closes a stream for good; whoever appends after this transaction commits gets SL001. '
  'False when it was closed already or does not exist.';

-- Retention. ------------------------------------------------------------------------------------------------------

create function sluice.retain(kind text, keep interval, at_most int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  cutoff timestamptz := clock_timestamp() - keep;
  stream record;
  event record;
  last record;
  ids bigint[] := '{}';
  positions bigint[] := '{}';
  event_ids uuid[] := '{}';
  times timestamptz[] := '{}';
  removed bigint := 0;
begin
  if cutoff is null or keep < interval '0' or coalesce(at_most, 0) < 1 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'retain needs a duration of 0 or more and a batch of 1 or more events';
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('sluice.retain', 0)) then
    return 0;
  end if;

  -- Times are monotone in a stream, so what has expired is its beginning and its first event tells whether there is any.
  for stream in
    select s.id, s.base_position
    from sluice.streams s
    cross join lateral (
      select e.at from sluice.events e
      where e.stream_id = s.id and e.position > s.base_position order by e.position limit 1
    ) first
    where s.kind = retain.kind and first.at < cutoff
    order by s.id
  loop
    for event in
      select e.position, e.event_id, e.at from sluice.events e
      where e.stream_id = stream.id and e.position > stream.base_position
      order by e.position limit at_most - removed
    loop
      exit when event.at >= cutoff;
      last := event;
      removed := removed + 1;
    end loop;
    delete from sluice.events e
    where e.stream_id = stream.id and e.position > stream.base_position and e.position <= last.position;
    ids := ids || stream.id;
    positions := positions || last.position;
    event_ids := event_ids || last.event_id;
    times := times || last.at;
    exit when removed >= at_most;
  end loop;

  -- Last, because appends to these streams wait from here to the end of the transaction.
  perform from sluice.streams s where s.id = any (ids) order by s.id for no key update;
  update sluice.streams s
  set base_position = b.position, base_event_id = b.event_id, base_at = b.at
  from unnest(ids, positions, event_ids, times) as b (id, position, event_id, at)
  where s.id = b.id;
  return removed;
end
$$;

comment on function sluice.retain is
  'Removes at most at_most events that are older than keep from the streams of a kind, the oldest of each stream first, and '
  'moves their base along. Call it until it returns 0. It also returns 0 when another session is at it.';

create function sluice.forget_keys(keep interval, at_most int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  removed bigint;
begin
  -- SKIP LOCKED: a key that a publish is using right now stays for the next time.
  delete from sluice.idempotency_keys k
  where (k.workspace, k.actor, k.key) in (
    select o.workspace, o.actor, o.key from sluice.idempotency_keys o
    where o.created_at < clock_timestamp() - keep
    order by o.created_at limit at_most
    for update skip locked
  );
  get diagnostics removed = row_count;
  return removed;
end
$$;

comment on function sluice.forget_keys is
  'Removes at most at_most idempotency keys that are older than keep. Call it until it returns 0.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
