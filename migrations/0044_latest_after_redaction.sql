-- Up Migration

-- Latest values after a redaction: when the newest event of a key is redacted, the value of the key is gone. No older event takes its
-- place, with an index or without one; the next event of the key does.
--
-- The redacted event has no key any more, so the newest older event with the same key notes the path (outdated_paths). When that
-- event is redacted too, the one before it notes the path. Nothing of the redacted data is kept: only that some newer event had the same
-- value there, which a list without the key shows as well.
--
-- A redaction looks at no more of the older events, and an event at no more of its paths, than the constants in outdate_values say.
-- A stream without an index has no more events than these when its latest values are read. In a stream with an index, the row of
-- the key is removed, however old its event is.
--
-- event.redacted is a notice of the log about another event, not a value of the key data.id: it has no key, and is not compacted.

alter table sluice.events add column outdated_paths text[];

comment on column sluice.events.outdated_paths is
  'Paths of keys at which a newer event, redacted since, had the same value as this one, so that this one is not the latest there.';

create function sluice.key_paths(data json) returns setof text
language plpgsql immutable
as $$
declare
  most_names constant int := 16;
  most_paths constant int := 32;
  -- Postgres reads no JSON that has the escape of NUL or of half a surrogate pair; no path has one.
  readable json := regexp_replace(
    replace(data::text, '\\', '\u005c'), '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\uffff', 'g')::json;
begin
  return query
  with recursive found as (
    select 0 as names, 'data' as path, readable as value
    union all
    select f.names + 1, f.path || '.' || m.key, m.value
    from found f
    cross join lateral json_each(case when json_typeof(f.value) = 'object' then f.value end) m
    where f.names < most_names and m.key ~ '^[A-Za-z0-9_-]+$'
  )
  select f.path from found f
  where json_typeof(f.value) in ('string', 'number', 'boolean') and octet_length(f.path) <= 256
  group by f.path order by min(f.names), f.path limit most_paths;
end
$$;

comment on function sluice.key_paths is
  'Internal. The paths at which data has a string, a number or a boolean, those with the fewest names first, at most 32.';

create function sluice.outdate_values(stream_id bigint, positions bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_column
declare
  most_events constant int := 10000;
  most_bytes constant bigint := 67108864;
  most_paths constant int := 32;
  most_searched constant int := 64;
  index record;
begin
  -- The lock orders this before or after a whole batch of the index, which itself waits for no change of an event.
  select c.key_path into index from sluice.compactions c where c.stream_id = outdate_values.stream_id for share;
  if found then
    delete from sluice.latest l
    using (
      select sluice.key_of(e.data, index.key_path) as key, max(e.position) as position
      from sluice.events e
      where e.stream_id = outdate_values.stream_id and e.position = any (positions)
        and e.redacted_at is null and e.type not in ('event.compacted', 'event.redacted')
      group by 1
    ) gone
    where l.stream_id = outdate_values.stream_id and l.key = gone.key and l.position <= gone.position;
  end if;

  with gone as materialized (
    select e.position, e.data from sluice.events e
    where e.stream_id = outdate_values.stream_id and e.position = any (positions)
      and e.redacted_at is null and e.type not in ('event.compacted', 'event.redacted')
  ), paths as materialized (
    select p.path from gone g cross join lateral sluice.key_paths(g.data) as p (path)
    group by p.path order by count(*) desc, p.path limit most_paths
  ), keys as materialized (
    select k.path, k.key, max(k.position) as position
    from (select p.path, sluice.key_of(g.data, p.path) as key, g.position from gone g cross join paths p) k
    where k.key is not null group by k.path, k.key
  ), earlier as materialized (
    select s.position, s.data, s.data::text as text,
      strpos(s.data::text, '\') > 0 or s.data::text ~ '[0-9][eE]' as has_other_spellings
    from (
      select e.position, e.data, sum(pg_column_size(e.data)) over (order by e.position desc) as bytes
      from (
        select e.position, e.data from sluice.events e
        where e.stream_id = outdate_values.stream_id and e.position < (select max(k.position) from keys k)
          and e.redacted_at is null and e.type not in ('event.compacted', 'event.redacted')
        order by e.position desc limit most_events
      ) e
      where e.position <> all (positions)
    ) s
    where s.bytes <= most_bytes
  ), candidates as materialized (
    -- The key of an event costs more than a search for its text, which is enough to leave most events out.
    select p.path, sluice.key_of(e.data, p.path) as key, e.position
    from earlier e cross join paths p
    where e.has_other_spellings or (select count(*) from keys) > most_searched
      or exists (select from keys k where k.path = p.path and strpos(e.text, k.key) > 0)
  ), outdated as (
    select o.position, array_agg(o.path) as paths
    from (
      select k.path, k.key, max(c.position) as position
      from candidates c
      join keys k on k.path = c.path and k.key = c.key and c.position < k.position
      group by k.path, k.key
    ) o
    group by o.position
  )
  update sluice.events e
  set outdated_paths = array(select unnest(e.outdated_paths) union select unnest(o.paths))
  from outdated o
  where e.stream_id = outdate_values.stream_id and e.position = o.position
    and not coalesce(e.outdated_paths @> o.paths, false);
end
$$;

comment on function sluice.outdate_values is
  'Internal. Called before events are redacted: for each of their keys, no older event is the latest one afterwards.';

create or replace function sluice.redact_positions(
  stream_id bigint, positions bigint[], event_ids uuid[], reason text, actor text, keep_actor boolean
)
returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
  replaced_at timestamptz := date_trunc('milliseconds', clock_timestamp());
  facts text := format('"reason":%s,"at":"%s"', to_json(reason),
    to_char(replaced_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
  replacement json := format('{"redacted":true,%s}', facts);
  stream record;
  copied record;
begin
  select array_agg(e.position order by e.position) as positions, array_agg(distinct coalesce(e.actor, '')) as actors,
    array_agg(distinct e.data ->> 'job_id') filter (where e.type = any (sluice.job_status_types())) as jobs
  into copied
  from sluice.events e
  where e.stream_id = redact_positions.stream_id and e.position = any (redact_positions.positions)
    and e.redacted_at is null and (event_ids is null or e.event_id = any (event_ids));
  if copied.positions is null then
    return 0;
  end if;

  select s.workspace into stream from sluice.streams s where s.id = redact_positions.stream_id;
  update sluice.idempotency_keys k set fingerprint = null
  where k.workspace = stream.workspace and k.actor = any (copied.actors)
    and k.stream_id = redact_positions.stream_id and k.fingerprint is not null
    and exists (
      select from unnest(copied.positions) as p
      where p >= k.first_position and p < k.first_position + cardinality(k.event_ids)
    );
  update sluice.jobs j
  set title = null, runner = case when j.status = 'running' then j.runner end,
    result = case when j.result is not null then replacement end
  where j.workspace = stream.workspace and j.name = any (copied.jobs);

  select s.id, s.closed_at into stream from sluice.streams s where s.id = redact_positions.stream_id for no key update;
  if not found then
    return 0;
  end if;
  perform sluice.outdate_values(stream.id, copied.positions);
  with redacted as (
    update sluice.events e
    set data = replacement, redacted_at = replaced_at, actor = case when keep_actor then e.actor end
    where e.stream_id = stream.id and e.position = any (copied.positions) and e.redacted_at is null
    returning e.position, e.event_id
  )
  select array_agg(r.position order by r.position) as positions, array_agg(r.event_id order by r.position) as event_ids
  into copied from redacted r;
  if copied.positions is null then
    return 0;
  end if;

  -- A closed stream has had its last event.
  if stream.closed_at is null then
    perform sluice.append_locked(
      array(select stream.id from unnest(copied.positions)),
      array(select 'event.redacted' from unnest(copied.positions)),
      array(
        select format('{"position":%s,"id":"%s",%s}', r.position, sluice.format_event_id(r.position, r.event_id), facts)::json
        from unnest(copied.positions, copied.event_ids) as r (position, event_id) order by r.position
      ),
      array(select redact_positions.actor from unnest(copied.positions))
    );
  end if;
  perform sluice.announce_changes(stream.id, copied.positions[cardinality(copied.positions)]);
  return cardinality(copied.positions);
end
$$;

create or replace function sluice.index_locked(stream_id bigint, at_most int, out compacted bigint, out more boolean)
language plpgsql
as $$
#variable_conflict use_column
declare
  state record;
  start bigint;
  keys text[];
  positions bigint[];
  last bigint;
  superseded bigint[];
  outdated boolean[];
begin
  compacted := 0;
  select c.key_path, c.indexed_to, c.compacted_to, s.base_position into state
  from sluice.compactions c
  join lateral (select s.base_position from sluice.streams s where s.id = c.stream_id limit 1) s on true
  where c.stream_id = index_locked.stream_id;
  start := greatest(state.indexed_to, state.base_position);

  -- One statement, so one snapshot: what it sees of the stream has no gap.
  with batch as materialized (
    select e.position, coalesce(state.key_path = any (e.outdated_paths), false) as outdated,
      case when e.redacted_at is null and e.type <> 'event.redacted' then sluice.key_of(e.data, state.key_path) end as key
    from sluice.events e
    where e.stream_id = index_locked.stream_id and e.position > start
    order by e.position limit at_most
  ), newest as (
    select distinct on (b.key) b.key, b.position, b.outdated from batch b where b.key is not null order by b.key, b.position desc
  )
  select (select max(b.position) from batch b), (select count(*) from batch b) >= at_most,
    array_agg(n.key), array_agg(n.position), array_agg(n.outdated)
  into last, more, keys, positions, outdated
  from newest n;
  if last is null then
    return;
  end if;

  -- The sweep has passed these already, while they were the newest of their key.
  superseded := array(
    select l.position from unnest(keys) as k (key)
    cross join lateral (
      select l.position from sluice.latest l where l.stream_id = index_locked.stream_id and l.key = k.key limit 1
    ) l
    where l.position <= state.compacted_to
  );
  insert into sluice.latest as l (stream_id, key, position)
  select index_locked.stream_id, k.key, k.position from unnest(keys, positions, outdated) as k (key, position, outdated)
  where not k.outdated
  on conflict (stream_id, key) do update set position = excluded.position;
  delete from sluice.latest l
  where l.stream_id = index_locked.stream_id
    and l.key = any (array(select k.key from unnest(keys, outdated) as k (key, outdated) where k.outdated));
  compacted := sluice.compact_events(index_locked.stream_id, superseded);
  update sluice.compactions c set indexed_to = last where c.stream_id = index_locked.stream_id;
end
$$;

create or replace function sluice.compact_locked(stream_id bigint, at_most int, out compacted bigint, out more boolean)
language plpgsql
as $$
#variable_conflict use_column
declare
  state record;
  base bigint;
  start bigint;
  cutoff timestamptz;
  indexed record;
  last bigint;
  superseded bigint[];
  removed bigint;
begin
  select i.compacted, i.more into indexed from sluice.index_locked(compact_locked.stream_id, at_most) i;
  select c.* into state from sluice.compactions c where c.stream_id = compact_locked.stream_id;
  select s.base_position into base from sluice.streams s where s.id = compact_locked.stream_id;
  start := greatest(state.compacted_to, base);
  cutoff := clock_timestamp() - state.compact_after;

  -- An event that has a key and is not the newest of it.
  with batch as materialized (
    select e.position, e.at, e.type, e.data, e.redacted_at
    from sluice.events e
    where e.stream_id = compact_locked.stream_id and e.position > start and e.position <= state.indexed_to
    order by e.position limit at_most
  ), old as materialized (
    -- Times never run backwards against positions, so this is the beginning of the batch.
    select b.* from batch b where b.at < cutoff
  )
  select (select max(o.position) from old o), (select count(*) from old o) >= at_most,
    array(
      select o.position from old o
      where o.type not in ('event.compacted', 'event.redacted') and o.redacted_at is null
        and sluice.key_of(o.data, state.key_path) is not null
        and (select l.key from sluice.latest l where l.stream_id = compact_locked.stream_id and l.position = o.position) is null
    )
  into last, more, superseded;
  if last is not null then
    compacted := sluice.compact_events(compact_locked.stream_id, superseded);
    update sluice.compactions c set compacted_to = last where c.stream_id = compact_locked.stream_id;
  end if;

  -- Retention has removed the newest events of these keys.
  delete from sluice.latest l
  where l.stream_id = compact_locked.stream_id and l.position = any (array(
    select o.position from sluice.latest o
    where o.stream_id = compact_locked.stream_id and o.position <= base order by o.position limit at_most
  ));
  get diagnostics removed = row_count;
  compacted := coalesce(compacted, 0) + indexed.compacted;
  more := more or indexed.more or removed >= at_most;
end
$$;

create or replace function sluice.latest_page(
  stream_id bigint, key_path text, after bigint, up_to bigint, up_to_id uuid,
  most_behind int, most_unindexed int, at_most int, max_bytes bigint
)
returns table (
  outcome text, anchor uuid, more boolean, "position" bigint, event_id uuid, at timestamptz, type text, data text, attributes text
)
language plpgsql stable
as $$
#variable_conflict use_column
declare
  base record;
  indexed bigint;
  is_indexed boolean;
  beyond record;
  tail_keys text[];
  tail_positions bigint[];
  tail_outdated boolean[];
begin
  select s.base_position, s.base_event_id into base from sluice.streams s where s.id = latest_page.stream_id;
  anchor := (select e.event_id from sluice.events e where e.stream_id = latest_page.stream_id and e.position = after);
  if anchor is null and base.base_position = after then
    anchor := base.base_event_id;
  end if;
  outcome := 'lost';
  if up_to_id is distinct from coalesce(
    (select e.event_id from sluice.events e where e.stream_id = latest_page.stream_id and e.position = up_to),
    case when base.base_position = up_to then base.base_event_id end
  ) then
    return next;
    return;
  end if;

  select c.indexed_to into indexed from sluice.compactions c
  where c.stream_id = latest_page.stream_id and c.key_path = latest_page.key_path;
  is_indexed := found;
  indexed := greatest(indexed, base.base_position);
  outcome := case when is_indexed then 'behind' else 'unindexed' end;
  if up_to - indexed > (case when is_indexed then most_behind else most_unindexed end) then
    return next;
    return;
  end if;
  if not is_indexed then
    -- The sizes are known without reading the data.
    select sum(pg_column_size(e.data)) as bytes into beyond
    from sluice.events e where e.stream_id = latest_page.stream_id and e.position > indexed and e.position <= up_to;
    if beyond.bytes > 16 * max_bytes then
      return next;
      return;
    end if;
  end if;

  -- The newest events of the keys beyond the index.
  select array_agg(t.key), array_agg(t.position), array_agg(t.outdated) into tail_keys, tail_positions, tail_outdated
  from (
    select distinct on (k.key) k.key, k.position, k.outdated
    from (
      select e.position, coalesce(latest_page.key_path = any (e.outdated_paths), false) as outdated,
        case when e.redacted_at is null and e.type <> 'event.redacted' then sluice.key_of(e.data, latest_page.key_path) end as key
      from sluice.events e
      where e.stream_id = latest_page.stream_id and e.position > indexed and e.position <= up_to
    ) k
    where k.key is not null
    order by k.key, k.position desc
  ) t;
  return query
  with tail as materialized (
    select t.key, t.position, t.outdated from unnest(tail_keys, tail_positions, tail_outdated) as t (key, position, outdated)
  ), found as materialized (
    select l.position from sluice.latest l
    where is_indexed and l.stream_id = latest_page.stream_id and l.position > after and l.position <= up_to
      and not exists (select from tail t where t.key = l.key)
    order by l.position limit at_most + 1
  ), chosen as materialized (
    select c.position
    from (
      select f.position from found f
      union all
      select t.position from tail t where t.position > after and not t.outdated
    ) c
    order by c.position limit at_most + 1
  ), sized as (
    select e.*, row_number() over so_far as place, count(*) over () as available,
      sum(pg_column_size(e.data) + coalesce(pg_column_size(e.attributes), 0)) over so_far as bytes
    from chosen c
    cross join lateral (
      select e.* from sluice.events e where e.stream_id = latest_page.stream_id and e.position = c.position limit 1
    ) e
    window so_far as (order by c.position rows unbounded preceding)
  ), page as (
    select z.*, z.available > count(*) over () as is_cut from sized z
    where z.place <= at_most and (z.bytes <= max_bytes or z.place = 1)
  )
  select 'page', latest_page.anchor, coalesce(p.is_cut, false), p.position, p.event_id, p.at, p.type, p.data::text, p.attributes::text
  from (values (1)) as one
  left join page p on true
  order by p.position;
end
$$;

delete from sluice.latest l
using sluice.events e
where e.stream_id = l.stream_id and e.position = l.position and e.type = 'event.redacted';

revoke all on all functions in schema sluice from public;
