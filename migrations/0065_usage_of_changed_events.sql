-- Up Migration

-- A change of stored events and a count of their bytes exclude each other.
--
-- A count that ran while a redaction or a compaction was not committed stored the bytes of before, and nothing removed them again.
-- Now the count is refused for this moment and called again, and a change waits for the one call that runs.

create or replace function sluice.count_usage(
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
  complete := false;
  if not pg_try_advisory_xact_lock(hashtextextended('sluice.usage', 0)) then
    return;
  end if;
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

create or replace function sluice.forget_usage() returns trigger
language plpgsql security definer
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('sluice.usage', 0));
  delete from sluice.usage_parts u
  using (select distinct c.stream_id, c.position / 4096 as part from changed c) c
  where u.stream_id = c.stream_id and u.part = c.part;
  return null;
end
$$;

-- A process that was suspended does not replace the result of a later count.
create or replace function sluice.store_usage(totals json, counted_at timestamptz) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  insert into sluice.usage as u (workspace, streams, jobs, events, bytes, counted_at)
  select t.workspace, t.streams, t.jobs, t.events, t.bytes, store_usage.counted_at
  from json_to_recordset(totals) as t (workspace text, streams bigint, jobs bigint, events bigint, bytes bigint)
  order by t.workspace collate "C"
  on conflict (workspace) do update set streams = excluded.streams, jobs = excluded.jobs, events = excluded.events,
    bytes = excluded.bytes, counted_at = excluded.counted_at
  where u.counted_at <= excluded.counted_at;
  delete from sluice.usage u where u.counted_at < store_usage.counted_at;
end
$$;

revoke all on all functions in schema sluice from public;
