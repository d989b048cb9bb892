-- Up Migration

-- The log: the events of all streams, and the appends of the gateway.
--
-- Invariant (I3): the positions of a stream are dense (1, 2, 3, …) and in commit order. An append locks the stream
-- (0004_streams), reads the stream's tail in a NEW statement and inserts tail + 1, tail + 2, … Under READ COMMITTED a new
-- statement has a new snapshot, which includes everything that the previous holder of the lock committed.
--
-- Only functions write these tables, and events are never updated.

-- No foreign key to streams: only functions write here, and they hold a lock on the stream's row that is stronger than the
-- one that a foreign key would take again for each event.
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

-- Without compression the stored size is the size on the wire, so a page is cut by bytes without reading beyond its end.
alter table sluice.events alter column data set storage external;

-- An event belongs to the workspace of its stream, and a stream of another workspace is not found here. The scalar
-- subquery is always an index probe; for an EXISTS the planner may read all streams. The owner is exempt: the policy would
-- cost each replay a sixth and each append a tenth of its time, and an event is only found by the id of its stream.
select sluice.guard('sluice.events', '(select s.id from sluice.streams s where s.id = stream_id) is not null');
alter table sluice.events no force row level security;

comment on table sluice.events is
  'The events. Positions of a stream are dense (1, 2, 3, …) and in commit order. Written by functions only, never updated.';
comment on column sluice.events.at is 'Never earlier than the time of the previous event in the stream.';
comment on column sluice.events.event_id is 'Its first 30 bits are the check in the event id that clients hold.';
comment on column sluice.events.data is 'A JSON object of at most 256 KiB. The text is stored as it was published.';
comment on column sluice.events.actor is 'The publisher: the id of a principal, or any text that an application passes.';

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
select sluice.guard('sluice.idempotency_keys');

comment on table sluice.idempotency_keys is
  'Publishes that carried an Idempotency-Key, with their results: a retry gets the stored result, and stores nothing again. '
  'A key belongs to a workspace and an actor, so no caller reads the result of another.';
comment on column sluice.idempotency_keys.fingerprint is 'Hash of the request. The same key with another request is refused.';
comment on column sluice.idempotency_keys.event_ids is
  'UUIDs of the events from first_position on. Null only while the transaction that claimed the key is still running.';

-- The parts of an append. ---------------------------------------------------------------------------------------------

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
  'Internal. Raises 40001 (retry) for a clash of two positions, which only an old snapshot can cause.';

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
  'Internal. The last position of each stream and the time of its next event. That time is not now(), the start of the '
  'transaction, because it could run backwards against positions. The streams must be locked.';

create function sluice.append_locked(stream_ids bigint[], types text[], data json[], actors text[])
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql
as $$
#variable_conflict use_column
begin
  return query
  insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor)
  select n.stream_id, t.position + row_number() over (partition by n.stream_id order by n.place),
    t.at, gen_random_uuid(), n.type, n.data, n.actor
  from unnest(append_locked.stream_ids, append_locked.types, append_locked.data, append_locked.actors)
    with ordinality as n (stream_id, type, data, actor, place)
  join sluice.tails(append_locked.stream_ids) t on t.stream_id = n.stream_id
  order by n.place
  returning e.stream_id, e.position, e.event_id, e.at;
exception
  when unique_violation then perform sluice.refuse_snapshot();
end
$$;

comment on function sluice.append_locked is
  'Internal. Appends one event for each element of the arrays. The transaction must have locked the streams and found them open.';

-- Entry points. -------------------------------------------------------------------------------------------------------

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

  -- The fast path for one existing stream. It reads the tail as sluice.tails does.
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
  'Appends one event at once and returns its place. The stream stays locked until the transaction ends, so commit soon; '
  'a transaction that has more work to do calls sluice.publish instead. Sends no NOTIFY. '
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

  -- Claims the keys. This waits for another transaction that holds one, before any stream is locked. A key that exists is
  -- locked and not written (the WHERE is false), so it cannot expire meanwhile.
  if exists (select from unnest(keys) as u (key) where u.key is not null) then
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    select distinct on (r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C")
      r.workspace, coalesce(r.actor, ''), r.key, coalesce(r.fingerprint, ''), clock_timestamp()
    from unnest(workspaces, actors, keys, fingerprints) with ordinality as r (workspace, actor, key, fingerprint, request)
    where r.key is not null
    order by r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C", r.request
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
  end if;

  ids := sluice.lock_streams(workspaces, streams, leaves_out => true);

  begin
    return query
    with
    -- Behind row-level security an index probe must compare plain columns: no COALESCE, no subscript.
    named as materialized (
      select
        r.request, r.workspace, coalesce(r.actor, '') as holder, r.actor, r.key, coalesce(r.fingerprint, '') as fingerprint,
        ids[r.request] as stream_id
      from unnest(workspaces, actors, keys, fingerprints)
        with ordinality as r (workspace, actor, key, fingerprint, request)
    ),
    -- A key without a result was claimed above. The first request that carries it owns it; the others share its outcome.
    asked as materialized (
      select
        r.request::int as request, r.workspace, r.holder, r.actor, r.key, r.stream_id,
        k.stream_id as known_stream_id, k.first_position, k.event_ids, k.at,
        case when r.key is null then r.request
             else min(r.request) over (partition by r.workspace, r.holder, r.key) end as owner,
        case when k.fingerprint <> r.fingerprint then 'idempotency-key-reused'
             when k.event_ids is null and r.stream_id is null then 'too-many-stored-streams'
             when k.event_ids is null and s.closed_at is not null then 'stream-closed' end as refused
      from named r
      left join lateral (
        select s.closed_at from sluice.streams s where s.id = r.stream_id limit 1
      ) s on true
      left join lateral (
        select k.* from sluice.idempotency_keys k
        where k.workspace = r.workspace and k.actor = r.holder and k.key = r.key limit 1
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
    -- A refused request may be tried again with the same key.
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
  'The group commit of the gateway, which has validated the requests. The first five arrays have one element per request, the '
  'last three one per event; request_of is the place of the event''s request. Each request is stored whole or refused '
  '(stream-closed, idempotency-key-reused, too-many-stored-streams), and the others are stored all the same. Sends no NOTIFY.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
