-- Up Migration

-- Retention handles the streams of a batch together, and a sweep does not come back to what it has already passed.
--
-- A stream of few events cost retention a dozen statements for each visit, which was many times the cost of its events. And each
-- batch looked for due streams from the start of the index, where the entries of the batches before it stay until VACUUM.

create or replace function sluice.retain_locked(id bigint, cutoff timestamptz, at_most bigint) returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
  -- Two days: gateways note once an hour which streams their clients follow.
  unused_before timestamptz := clock_timestamp() - interval '48 hours';
  -- When to look at the stream again while it has no events.
  later timestamptz;
  kept record;
  base bigint;
  stays bigint;
  last_position bigint;
  last_id uuid;
  last_at timestamptz;
  oldest timestamptz;
  removed bigint := 0;
begin
  select s.base_position into base from sluice.streams s where s.id = retain_locked.id;
  select * into kept from sluice.kept_by_options(retain_locked.id, cutoff);
  later := least(clock_timestamp(), kept.cutoff + interval '48 hours');
  select min(e.position) into stays
  from (
    select e.position, e.at from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base
    order by e.position limit at_most
  ) e
  where not (coalesce(e.at < kept.cutoff, false) or coalesce(e.position <= kept.up_to, false));
  stays := coalesce(stays, base + at_most + 1);
  select e.position, e.event_id, e.at into last_position, last_id, last_at
  from sluice.events e
  where e.stream_id = retain_locked.id and e.position > base and e.position < stays
  order by e.position desc limit 1;
  if found then
    delete from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base and e.position <= last_position;
    get diagnostics removed = row_count;
    base := last_position;
  end if;
  select e.at into oldest from sluice.events e
  where e.stream_id = retain_locked.id and e.position > base order by e.position limit 1;

  if removed = 0 and oldest is null then
    -- No append can be running: it would need the lock that is held here, and afterwards it sees that the stream is gone.
    delete from sluice.streams s
    where s.id = retain_locked.id and s.kind = 'feed' and s.workspace <> '$system' and s.closed_at is null
      and s.options is null and s.used_at < unused_before;
    if found then
      return 0;
    end if;
  end if;
  update sluice.streams s
  set base_position = coalesce(last_position, s.base_position), base_event_id = coalesce(last_id, s.base_event_id),
    base_at = coalesce(last_at, s.base_at), oldest_at = coalesce(oldest, later), own_retention = kept.own,
    look_at = case
      -- A full batch: events that are due may be left.
      when removed >= at_most then '-infinity'
      -- At least once a day, because an option of its workspace may concern it from now on.
      when s.own_age then least(
        kept.look_at, coalesce(oldest, later) + (clock_timestamp() - kept.cutoff), clock_timestamp() + interval '24 hours'
      )
      else coalesce(kept.look_at, '-infinity')
    end,
    used_at = case when removed > 0 then clock_timestamp() else s.used_at end
  where s.id = retain_locked.id;
  return removed;
end
$$;

create function sluice.retain_together(ids bigint[], cutoff timestamptz, at_most bigint, out removed bigint, out rest bigint[])
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  unused_before timestamptz := clock_timestamp() - interval '48 hours';
  later timestamptz := least(clock_timestamp(), cutoff + interval '48 hours');
begin
  with stream as materialized (
    select s.id, s.base_position as base, s.base_position + at_most + 1 as beyond,
      w.options is not null or s.options ?| array['max_age_seconds', 'max_events'] as own,
      s.kind = 'feed' and s.workspace <> '$system' and s.closed_at is null and s.options is null
        and s.used_at < unused_before as unused
    from sluice.streams s
    left join lateral (
      select w.options from sluice.workspaces w
      where w.workspace = s.workspace and w.options ?| array['max_age_seconds', 'max_events'] limit 1
    ) w on s.kind = 'feed'
    where s.id = any (ids)
  ),
  bound as materialized (
    select s.id, s.base, s.unused, coalesce(y.position, s.beyond) as stays
    from stream s
    cross join lateral (
      select min(e.position) as position
      from (
        select e.position, e.at from sluice.events e
        where e.stream_id = s.id and e.position > s.base order by e.position limit at_most
      ) e
      where e.at >= cutoff
    ) y
    where s.own is not true
  ),
  ended as materialized (
    select b.id, b.base, b.unused, l.position, l.event_id, l.at, coalesce(l.position, b.base) as new_base
    from bound b
    left join lateral (
      select e.position, e.event_id, e.at from sluice.events e
      where e.stream_id = b.id and e.position > b.base and e.position < b.stays order by e.position desc limit 1
    ) l on true
  ),
  due as materialized (
    select d.*, o.at as oldest, d.unused and d.position is null and o.at is null as is_over
    from ended d
    left join lateral (
      select e.at from sluice.events e
      where e.stream_id = d.id and e.position > d.new_base order by e.position limit 1
    ) o on true
  ),
  gone as (
    delete from sluice.events e using due d
    where e.stream_id = d.id and e.position > d.base and e.position <= d.new_base
    returning 1
  ),
  -- No append can be running: it would need the locks that are held here, and afterwards it sees that the stream is gone.
  emptied as (
    delete from sluice.streams s using due d where s.id = d.id and d.is_over
  ),
  moved as (
    update sluice.streams s
    set base_position = d.new_base, base_event_id = coalesce(d.event_id, s.base_event_id), base_at = coalesce(d.at, s.base_at),
      oldest_at = coalesce(d.oldest, later), look_at = '-infinity',
      used_at = case when d.position is null then s.used_at else clock_timestamp() end
    from due d where s.id = d.id and not d.is_over
  )
  select
    (select count(*) from gone),
    array(select s.id from stream s where s.own) || array(select d.id from due d where d.oldest < cutoff)
  into removed, rest;
end
$$;

comment on function sluice.retain_together is
  'Internal. As retain_locked for many streams at once, at most at_most events of each. rest: the streams that retain_locked has '
  'to see, because more of their events have expired or options of their workspace decide.';

create function sluice.retain_due(
  kind text, keep interval, at_most int, inout after timestamptz, out removed bigint, out more boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  cutoff timestamptz := clock_timestamp() - keep;
  most_streams constant int := 200;
  due record;
  each_stream bigint;
  id bigint;
begin
  if cutoff is null or keep < interval '0' or coalesce(at_most, 0) < 1 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'retain needs a duration of 0 or more and a batch of 1 or more events';
  end if;
  removed := 0;
  more := false;
  if not pg_try_advisory_xact_lock(hashtextextended('sluice.retain', 0)) then
    return;
  end if;
  -- Skips a stream that an append has locked, perhaps for long. retain_stream handles it later.
  select array_agg(d.id) as ids, min(d.oldest_at) as oldest_at, count(*) as streams into due
  from (
    select s.id, s.oldest_at from sluice.streams s
    where s.kind = retain_due.kind and s.oldest_at >= after and s.oldest_at < cutoff and not s.own_retention
    order by s.oldest_at limit most_streams
    for update skip locked
  ) d;
  if due.streams = 0 then
    return;
  end if;
  -- Streams that stay due are not older than the first one of this batch.
  after := due.oldest_at;
  each_stream := at_most / due.streams;
  if each_stream > 0 then
    select t.removed, t.rest into removed, due.ids from sluice.retain_together(due.ids, cutoff, each_stream) t;
  end if;
  foreach id in array due.ids
  loop
    exit when removed >= at_most;
    removed := removed + sluice.retain_locked(id, cutoff, at_most - removed);
  end loop;
  more := removed >= at_most or due.streams = most_streams;
end
$$;

comment on function sluice.retain_due(text, interval, int, timestamptz) is
  'Removes events older than keep from the streams of a kind, the oldest of each stream first, and streams that are empty and '
  'unused: at most at_most events and 200 streams in one call. more: whether to call it again at once, with after as it returned '
  'it; -infinity at first.';

create or replace function sluice.retain_due(kind text, keep interval, at_most int, out removed bigint, out more boolean)
language plpgsql security definer
as $$
begin
  select d.removed, d.more into removed, more from sluice.retain_due(kind, keep, at_most, '-infinity') d;
end
$$;

comment on function sluice.retain_due(text, interval, int) is 'As the other retain_due from the start, for older gateways.';

-- With the default of 0.2, the dead rows of six days would wait for VACUUM where events are kept for thirty, and of 10^8 events more
-- of them than Postgres 15 and 16 can note at once in 64 MB, so VACUUM would read the index twice.
alter table sluice.events set (autovacuum_vacuum_scale_factor = 0.05);

revoke all on all functions in schema sluice from public;
