-- Up Migration

-- Latest values: the newest event of each key of a stream, and the compaction of the events that it has superseded.
--
-- The key of an event is the value at a path of its data, such as data.id. An append does no work for it: an index of the newest
-- positions (sluice.latest) follows the stream, moved on by the gateways' sweep and by reads, and a read looks at the few events
-- beyond it.
--
-- Invariant: the newest event of a key is never compacted. Compaction needs an event of the same key at a later position, and
-- only events that it has seen itself count: the index only ever moves forward, over committed events.
--
-- Invariant: a compacted event keeps its row, its position and its UUID, so cursors, checks and I3 hold. It gets the type
-- event.compacted and empty data; readers pass over it as over an event that their filter leaves out.
--
-- Locks: compaction locks the stream's row FOR KEY SHARE, which keeps retention and deletion away and delays no append.

create or replace function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked',
  'cursor', 'event.compacted'
];

create function sluice.is_key_path(path text) returns boolean
language sql immutable
return path ~ '^data(\.[A-Za-z0-9_-]+)+$' and octet_length(path) <= 256;

comment on function sluice.is_key_path is 'Whether this is the path of a key: data and one or more names, such as data.id.';

create table sluice.compactions (
  stream_id bigint primary key references sluice.streams on delete cascade,
  key_path text not null check (sluice.is_key_path(key_path)),
  compact_after interval not null check (compact_after between interval '0' and interval '10 years'),
  indexed_to bigint not null default 0,
  compacted_to bigint not null default 0,
  checked_at timestamptz not null default '-infinity'
);

create index on sluice.compactions (checked_at);
select sluice.guard('sluice.compactions', '(select s.id from sluice.streams s where s.id = stream_id) is not null');
alter table sluice.compactions no force row level security;

comment on table sluice.compactions is 'The streams whose superseded events are compacted, and how far.';
comment on column sluice.compactions.key_path is 'The path of the key in an event, such as data.id.';
comment on column sluice.compactions.compact_after is 'The age from which a superseded event loses its data.';
comment on column sluice.compactions.indexed_to is 'sluice.latest includes the events up to this position.';
comment on column sluice.compactions.compacted_to is
  'Up to this position every event was old enough and was checked; an event there that is superseded later loses its data then.';
comment on column sluice.compactions.checked_at is 'When the sweep last found nothing more to do.';

create table sluice.latest (
  stream_id bigint not null,
  key text collate "C" not null,
  position bigint not null,
  primary key (stream_id, key),
  unique (stream_id, position)
);

select sluice.guard('sluice.latest', '(select s.id from sluice.streams s where s.id = stream_id) is not null');
alter table sluice.latest no force row level security;

comment on table sluice.latest is
  'The position of the newest event of each key, for the streams in sluice.compactions. May include events that retention has '
  'removed since.';
comment on column sluice.latest.key is 'The JSON text of the key, see sluice.key_of.';

-- Keys. ---------------------------------------------------------------------------------------------------------------

create function sluice.value_at(data json, path text) returns json
language plpgsql immutable
as $$
declare
  value json := data;
  name text;
begin
  -- One name at a time: of several members with the same name the last one counts, as in every JSON parser. #> may mix them.
  foreach name in array (string_to_array(path, '.'))[2:] loop
    value := value -> name;
  end loop;
  return value;
end
$$;

comment on function sluice.value_at is 'Internal. The value at a path such as data.a.b; null if there is none.';

create function sluice.number_key(digits text) returns text
language sql immutable
return case
  when digits ~ '^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$' and octet_length(digits) <= 100 then trim_scale(digits::numeric)::text
  else digits
end;

comment on function sluice.number_key is 'Internal. One text for each number: of up to 100 characters by its value, else by its digits.';

create function sluice.key_of(data json, path text) returns text
language plpgsql immutable
as $$
declare
  value json;
  key text;
begin
  begin
    value := sluice.value_at(data, path);
    key := case json_typeof(value)
      when 'string' then to_json(value #>> '{}')::text
      when 'number' then sluice.number_key(value::text)
      when 'boolean' then value::text
    end;
  exception
    -- Postgres reads no JSON that has the escape of NUL or of half a surrogate pair, wherever it is.
    when untranslatable_character or invalid_text_representation then
      value := sluice.value_at(
        regexp_replace(replace(data::text, '\\', '\u005c'), '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\uffff', 'g')::json, path);
      key := case json_typeof(value)
        when 'string' then to_json(value #>> '{}')::text
        when 'number' then sluice.number_key(value::text)
        when 'boolean' then value::text
      end;
      if strpos(key, U&'\FFFF') > 0 then
        return null;
      end if;
  end;
  return case when octet_length(key) <= 1024 then key end;
end
$$;

comment on function sluice.key_of is
  'The key of an event with this data: the JSON text of the string, number or boolean at the path. Strings are compared by their '
  'characters, numbers by their value. Null, for no key: null, an object, an array, nothing, and a text of more than 1,024 bytes.';

-- The index and the compaction. ---------------------------------------------------------------------------------------

create function sluice.compact_events(stream_id bigint, positions bigint[]) returns bigint
language plpgsql
as $$
declare
  compacted bigint;
begin
  update sluice.events e set type = 'event.compacted', data = '{}'
  where e.stream_id = compact_events.stream_id and e.position = any (array(
    select o.position from sluice.events o
    where o.stream_id = compact_events.stream_id and o.position = any (positions) and o.type <> 'event.compacted'
    for no key update skip locked
  ));
  get diagnostics compacted = row_count;
  return compacted;
end
$$;

comment on function sluice.compact_events is
  'Internal. Removes the type and the data of superseded events, except of those that another transaction is changing.';

create function sluice.index_locked(stream_id bigint, at_most int, out compacted bigint, out more boolean)
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
begin
  compacted := 0;
  select c.key_path, c.indexed_to, c.compacted_to, s.base_position into state
  from sluice.compactions c
  join lateral (select s.base_position from sluice.streams s where s.id = c.stream_id limit 1) s on true
  where c.stream_id = index_locked.stream_id;
  start := greatest(state.indexed_to, state.base_position);

  -- One statement, so one snapshot: what it sees of the stream has no gap.
  with batch as materialized (
    select e.position, sluice.key_of(e.data, state.key_path) as key
    from sluice.events e
    where e.stream_id = index_locked.stream_id and e.position > start
    order by e.position limit at_most
  ), newest as (
    select b.key, max(b.position) as position from batch b where b.key is not null group by b.key
  )
  select (select max(b.position) from batch b), (select count(*) from batch b) >= at_most,
    array_agg(n.key), array_agg(n.position)
  into last, more, keys, positions
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
  select index_locked.stream_id, k.key, k.position from unnest(keys, positions) as k (key, position)
  on conflict (stream_id, key) do update set position = excluded.position;
  compacted := sluice.compact_events(index_locked.stream_id, superseded);
  update sluice.compactions c set indexed_to = last where c.stream_id = index_locked.stream_id;
end
$$;

comment on function sluice.index_locked is
  'Internal. Moves the index of a stream on by at most at_most events. The transaction must have locked its row in compactions.';

create function sluice.index_latest(stream_id bigint, at_most int) returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform from sluice.compactions c where c.stream_id = index_latest.stream_id for no key update skip locked;
  if not found then
    return false;
  end if;
  perform from sluice.streams s where s.id = index_latest.stream_id for key share skip locked;
  if not found then
    return false;
  end if;
  perform sluice.index_locked(index_latest.stream_id, at_most);
  return true;
end
$$;

comment on function sluice.index_latest is
  'Moves the index of the newest events of a stream on by at most at_most events. False if another transaction does that now, '
  'or the stream has no such index.';

create function sluice.compact_locked(stream_id bigint, at_most int, out compacted bigint, out more boolean)
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
    select e.position, e.at, e.type, e.data
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
      where o.type <> 'event.compacted' and sluice.key_of(o.data, state.key_path) is not null
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

comment on function sluice.compact_locked is
  'Internal. Indexes and compacts at most at_most events of a stream. The transaction must have locked its row in compactions.';

create function sluice.compact_due(at_most int, out compacted bigint, out more boolean)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  due timestamptz := clock_timestamp() - interval '5 minutes';
  most_streams constant int := 200;
  seen int := 0;
  stream record;
  step record;
begin
  compacted := 0;
  more := false;
  if not pg_try_advisory_xact_lock(hashtextextended('sluice.compact', 0)) then
    return;
  end if;
  for stream in
    select c.stream_id from sluice.compactions c where c.checked_at < due
    order by c.checked_at limit most_streams
    for no key update skip locked
  loop
    seen := seen + 1;
    perform from sluice.streams s where s.id = stream.stream_id for key share skip locked;
    -- Retention has the stream now, or the stream is being deleted: the next sweep looks again.
    continue when not found;
    select s.* into step from sluice.compact_locked(stream.stream_id, at_most) s;
    compacted := compacted + step.compacted;
    if step.more then
      more := true;
      return;
    end if;
    update sluice.compactions c set checked_at = clock_timestamp() where c.stream_id = stream.stream_id;
  end loop;
  more := seen = most_streams;
end
$$;

comment on function sluice.compact_due is
  'Compacts superseded events of the streams that have a compact_key: about at_most events of one stream in one call. compacted: '
  'how many events have lost their data. more: whether to call it again at once.';

-- An event whose data has been replaced has no key any more, and its old key must not be found here. The lock orders this before
-- or after a whole batch of the index, which itself waits for no change of an event. So the two never wait for each other.
create function sluice.forget_latest() returns trigger
language plpgsql security definer
as $$
begin
  perform from sluice.compactions c where c.stream_id = new.stream_id for share;
  if found then
    delete from sluice.latest l where l.stream_id = new.stream_id and l.position = new.position;
  end if;
  return null;
end
$$;

comment on function sluice.forget_latest is 'Internal. Removes an event from the index of the newest events when its data is replaced.';

create trigger forget_latest after update on sluice.events
  for each row when (new.data::text <> old.data::text and new.type <> 'event.compacted')
  execute function sluice.forget_latest();

create function sluice.forget_compaction() returns trigger
language plpgsql security definer
as $$
begin
  delete from sluice.latest l where l.stream_id = old.stream_id;
  return null;
end
$$;

comment on function sluice.forget_compaction is 'Internal. Removes the index of a stream together with its row in compactions.';

create trigger forget_compaction after delete on sluice.compactions
  for each row execute function sluice.forget_compaction();

-- The option of a stream. ---------------------------------------------------------------------------------------------

create function sluice.set_compaction(stream_id bigint, key_path text, compact_after interval) returns void
language plpgsql
as $$
#variable_conflict use_column
declare
  known record;
begin
  if key_path is null then
    delete from sluice.compactions c where c.stream_id = set_compaction.stream_id;
    return;
  end if;
  select c.* into known from sluice.compactions c where c.stream_id = set_compaction.stream_id for update;
  if found and known.key_path = set_compaction.key_path then
    update sluice.compactions c set compact_after = set_compaction.compact_after, checked_at = '-infinity'
    where c.stream_id = set_compaction.stream_id;
    return;
  end if;
  -- Another key needs another index.
  delete from sluice.compactions c where c.stream_id = set_compaction.stream_id;
  insert into sluice.compactions (stream_id, key_path, compact_after)
  values (set_compaction.stream_id, set_compaction.key_path, set_compaction.compact_after);
end
$$;

comment on function sluice.set_compaction is
  'Internal. Compacts a stream by this key from now on; null ends it. What is compacted stays compacted.';

-- Reading. ------------------------------------------------------------------------------------------------------------

create function sluice.latest_page(
  stream_id bigint, key_path text, after bigint, up_to bigint, up_to_id uuid,
  most_behind int, most_unindexed int, at_most int, max_bytes bigint
)
returns table (
  outcome text, anchor uuid, more boolean, "position" bigint, event_id uuid, at timestamptz, type text, data text
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
  select array_agg(t.key), array_agg(t.position) into tail_keys, tail_positions
  from (
    select k.key, max(k.position) as position
    from (
      select sluice.key_of(e.data, latest_page.key_path) as key, e.position
      from sluice.events e
      where e.stream_id = latest_page.stream_id and e.position > indexed and e.position <= up_to
    ) k
    where k.key is not null
    group by k.key
  ) t;
  return query
  with tail as materialized (
    select t.key, t.position from unnest(tail_keys, tail_positions) as t (key, position)
  ), found as materialized (
    select l.position from sluice.latest l
    where is_indexed and l.stream_id = latest_page.stream_id and l.position > after and l.position <= up_to
      and not exists (select from tail t where t.key = l.key)
    order by l.position limit at_most + 1
  ), chosen as materialized (
    select c.position from (select f.position from found f union all select t.position from tail t where t.position > after) c
    order by c.position limit at_most + 1
  ), sized as (
    select e.*, row_number() over so_far as place, count(*) over () as available,
      sum(pg_column_size(e.data)) over so_far as bytes
    from chosen c
    cross join lateral (
      select e.* from sluice.events e where e.stream_id = latest_page.stream_id and e.position = c.position limit 1
    ) e
    window so_far as (order by c.position rows unbounded preceding)
  ), page as (
    select z.*, z.available > count(*) over () as is_cut from sized z
    where z.place <= at_most and (z.bytes <= max_bytes or z.place = 1)
  )
  select 'page', latest_page.anchor, coalesce(p.is_cut, false), p.position, p.event_id, p.at, p.type, p.data::text
  from (values (1)) as one
  left join page p on true
  order by p.position;
end
$$;

comment on function sluice.latest_page is
  'The newest event of each key among the positions up to up_to, which is the event up_to_id, in the order of their positions, '
  'after a position. An event that was superseded beyond up_to may be missing. One row at least, with the outcome: page; lost (there '
  'is no such event at up_to); behind (the index lacks more than most_behind events); unindexed (there is no index for this key, '
  'and more than most_unindexed events, or 16 times max_bytes). anchor: the event at the position after. more: the page was cut.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
