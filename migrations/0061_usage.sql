-- Up Migration

-- What each workspace has stored: streams, jobs, events and the bytes of their data, for GET /api/usage and the limits of a workspace.
--
-- Appends do nothing for it. The gateways count the log afterwards, one of them at a time: positions are dense, so the number of a
-- stream's events is its head minus its base; and the bytes of each part of 4,096 positions are summed once, when the part is
-- complete, and as it grows. So a pass costs two probes of an index for each stream, and a look at each event that is new.
--
-- Invariant: a part of sluice.usage_parts names the positions that it covers. A pass counts again what does not fit to the stream's
-- base and head; a change of stored events (redaction, compaction) removes their part. So the sums follow whatever happens to the log.

create table sluice.usage_parts (
  stream_id bigint not null,
  part bigint not null,
  first bigint not null,
  last bigint not null,
  bytes bigint not null,
  primary key (stream_id, part)
);

select sluice.guard('sluice.usage_parts', '(select s.id from sluice.streams s where s.id = stream_id) is not null');
alter table sluice.usage_parts no force row level security;

comment on table sluice.usage_parts is
  'The bytes of the events of each stream, by parts of 4,096 positions: part n has the positions from 4096 n on.';
comment on column sluice.usage_parts.first is 'The first position of the part that is counted.';
comment on column sluice.usage_parts.last is 'The last position of the part that is counted.';
comment on column sluice.usage_parts.bytes is 'The size of the data and the attributes of these events.';

create table sluice.usage (
  workspace text collate "C" primary key,
  streams bigint not null,
  jobs bigint not null,
  events bigint not null,
  bytes bigint not null,
  counted_at timestamptz not null
);

select sluice.guard('sluice.usage');

comment on table sluice.usage is 'What each workspace has stored, as the gateways have counted it last.';
comment on column sluice.usage.streams is 'Streams, without those of jobs.';
comment on column sluice.usage.jobs is 'Jobs that are stored, whatever their status.';
comment on column sluice.usage.events is 'Events, those of jobs included.';
comment on column sluice.usage.bytes is 'The size of the data and the attributes of these events.';
comment on column sluice.usage.counted_at is 'When the count began: everything that was committed before is in it.';

create unlogged table sluice.usage_counter (
  one boolean primary key default true check (one),
  node uuid not null,
  alive_at timestamptz not null
) with (fillfactor = 50);

comment on table sluice.usage_counter is 'The process that counts, or that has counted last. The table may be emptied at any time.';

create function sluice.take_usage_count(node uuid) returns boolean
language plpgsql security definer
as $$
begin
  insert into sluice.usage_counter as c (node, alive_at) values (take_usage_count.node, clock_timestamp())
  on conflict (one) do update set node = excluded.node, alive_at = excluded.alive_at
  where c.node = excluded.node or c.alive_at < clock_timestamp() - interval '1 minute';
  return found;
end
$$;

comment on function sluice.take_usage_count is
  'Whether this process counts the usage: it does so already, or no other process has for a minute.';

create function sluice.count_usage(
  after bigint, most_streams int, most_events int, out up_to bigint, out complete boolean, out totals json
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  size constant bigint := 4096;
  ids bigint[];
  bases bigint[];
  heads bigint[];
begin
  select array_agg(s.id order by s.id), array_agg(s.base_position order by s.id),
    array_agg(coalesce(e.position, s.base_position) order by s.id), max(s.id)
  into ids, bases, heads, up_to
  from (select s.id, s.base_position from sluice.streams s where s.id > after order by s.id limit most_streams) s
  left join lateral (
    select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1
  ) e on true;

  -- Parts of streams that are gone, and parts that retention has removed.
  delete from sluice.usage_parts u
  where u.stream_id > after and (up_to is null or u.stream_id <= up_to)
    and not exists (
      select from unnest(ids, bases, heads) as n (id, base, head)
      where n.id = u.stream_id and n.base < n.head and u.part >= (n.base + 1) / size and u.part <= n.head / size
    );

  with wanted as materialized (
    select n.id as stream_id, p.part, greatest(n.base + 1, p.part * size) as first,
      least(n.head, p.part * size + size - 1) as last
    from unnest(ids, bases, heads) as n (id, base, head)
    cross join lateral generate_series((n.base + 1) / size, n.head / size) as p (part)
    where n.base < n.head
  ),
  -- A part that has only grown is counted from its end on.
  outdated as materialized (
    select w.*, case when u.first = w.first and u.last < w.last then u.last + 1 else w.first end as since,
      case when u.first = w.first and u.last < w.last then u.bytes else 0 end as known
    from wanted w
    left join lateral (
      select u.* from sluice.usage_parts u where u.stream_id = w.stream_id and u.part = w.part limit 1
    ) u on true
    where u.first is distinct from w.first or u.last is distinct from w.last
  ),
  affordable as materialized (
    select o.*, sum(o.last - o.since + 1) over (order by o.stream_id, o.part rows unbounded preceding) as cost
    from outdated o
  ),
  stored as (
    insert into sluice.usage_parts as u (stream_id, part, first, last, bytes)
    select a.stream_id, a.part, a.first, a.last, a.known + (
      select coalesce(sum(pg_column_size(e.data) + coalesce(pg_column_size(e.attributes), 0)), 0)
      from sluice.events e where e.stream_id = a.stream_id and e.position >= a.since and e.position <= a.last
    )
    from affordable a where a.cost - (a.last - a.since + 1) < most_events
    order by a.stream_id, a.part
    on conflict (stream_id, part) do update set first = excluded.first, last = excluded.last, bytes = excluded.bytes
    returning 1
  )
  select (select count(*) from outdated) = (select count(*) from stored) into complete;

  select json_agg(t) into totals
  from (
    select s.workspace, count(*) filter (where s.kind <> 'job') as streams, count(*) filter (where s.kind = 'job') as jobs,
      sum(n.head - n.base)::bigint as events, coalesce(sum(p.bytes), 0)::bigint as bytes
    from unnest(ids, bases, heads) as n (id, base, head)
    cross join lateral (select s.workspace, s.kind from sluice.streams s where s.id = n.id limit 1) s
    cross join lateral (select sum(u.bytes) as bytes from sluice.usage_parts u where u.stream_id = n.id) p
    where s.workspace <> '$system' group by s.workspace
  ) t;
end
$$;

comment on function sluice.count_usage is
  'Internal. Counts the streams after an id: at most most_streams, and about most_events new events. up_to: the last one, null after '
  'all of them. complete: whether all their events are counted; if not, the same call goes on. totals: their sums by workspace.';

create function sluice.store_usage(totals json, counted_at timestamptz) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  insert into sluice.usage as u (workspace, streams, jobs, events, bytes, counted_at)
  select t.workspace, t.streams, t.jobs, t.events, t.bytes, store_usage.counted_at
  from json_to_recordset(totals) as t (workspace text, streams bigint, jobs bigint, events bigint, bytes bigint)
  order by t.workspace collate "C"
  on conflict (workspace) do update set streams = excluded.streams, jobs = excluded.jobs, events = excluded.events,
    bytes = excluded.bytes, counted_at = excluded.counted_at;
  delete from sluice.usage u where u.counted_at < store_usage.counted_at;
end
$$;

comment on function sluice.store_usage is 'Internal. Replaces sluice.usage by the result of a count of all streams.';

create function sluice.forget_usage() returns trigger
language plpgsql security definer
as $$
begin
  delete from sluice.usage_parts u
  using (select distinct c.stream_id, c.position / 4096 as part from changed c) c
  where u.stream_id = c.stream_id and u.part = c.part;
  return null;
end
$$;

comment on function sluice.forget_usage is 'Trigger of sluice.events: stored events were changed, and their part is counted again.';

-- Not for appends: only redaction and compaction update events.
create trigger usage_changed after update on sluice.events
referencing new table as changed for each statement execute function sluice.forget_usage();

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
