-- Up Migration

-- Retention: removes expired events, streams that nothing uses any more, and expired idempotency keys.
--
-- Invariant: only the beginning of a stream is removed, and the stream's base moves with it in the same transaction, so a
-- reader that is behind the base learns that it missed events (I4).
--
-- An index finds the streams that are due (streams_due), so the cost does not grow with the number of streams.

create function sluice.retain_locked(id bigint, cutoff timestamptz, at_most bigint) returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
  -- Two days: gateways note once an hour which streams their clients follow.
  unused_before timestamptz := clock_timestamp() - interval '48 hours';
  -- When to look at the stream again while it has no events.
  later timestamptz := least(clock_timestamp(), cutoff + interval '48 hours');
  base bigint;
  oldest timestamptz;
  event record;
  last_position bigint;
  last_id uuid;
  last_at timestamptz;
  removed bigint := 0;
begin
  select s.base_position into base from sluice.streams s where s.id = retain_locked.id;
  for event in
    select e.position, e.event_id, e.at from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base
    order by e.position limit at_most + 1
  loop
    oldest := event.at;
    exit when event.at >= cutoff or removed >= at_most;
    oldest := null;
    removed := removed + 1;
    last_position := event.position;
    last_id := event.event_id;
    last_at := event.at;
  end loop;

  if removed = 0 and oldest is null then
    -- No append can be running: it would need the lock that is held here, and afterwards it sees that the stream is gone.
    delete from sluice.streams s
    where s.id = retain_locked.id and s.kind = 'feed' and s.workspace <> '$system' and s.closed_at is null
      and s.used_at < unused_before;
    if found then
      return 0;
    end if;
  end if;
  if removed > 0 then
    delete from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base and e.position <= last_position;
  end if;
  update sluice.streams s
  set base_position = coalesce(last_position, s.base_position), base_event_id = coalesce(last_id, s.base_event_id),
    base_at = coalesce(last_at, s.base_at), oldest_at = coalesce(oldest, later),
    used_at = case when removed > 0 then clock_timestamp() else s.used_at end
  where s.id = retain_locked.id;
  return removed;
end
$$;

comment on function sluice.retain_locked is
  'Internal. Removes at most at_most expired events of a stream that the transaction has locked FOR UPDATE, and moves its '
  'base; or removes the stream itself, if it is open-ended, has no events and was not used for two days.';

create function sluice.retain_due(kind text, keep interval, at_most int, out removed bigint, out more boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  cutoff timestamptz := clock_timestamp() - keep;
  most_streams constant int := 200;
  seen int := 0;
  stream record;
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
  for stream in
    select s.id from sluice.streams s
    where s.kind = retain_due.kind and s.oldest_at < cutoff
    order by s.oldest_at limit most_streams
    for update skip locked
  loop
    seen := seen + 1;
    removed := removed + sluice.retain_locked(stream.id, cutoff, at_most - removed);
    exit when removed >= at_most;
  end loop;
  more := removed >= at_most or seen = most_streams;
end
$$;

comment on function sluice.retain_due is
  'Removes events older than keep from the streams of a kind, the oldest of each stream first, and streams that are empty '
  'and unused: at most at_most events and 200 streams in one call. more: whether to call it again at once.';

create function sluice.retain(kind text, keep interval, at_most int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return (select d.removed from sluice.retain_due(kind, keep, at_most) d);
end
$$;

comment on function sluice.retain is 'As retain_due, for older gateways. Returns how many events were removed.';

create function sluice.retain_stream(id bigint, keep interval, at_most int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '1s'
as $$
#variable_conflict use_column
begin
  perform from sluice.streams s where s.id = retain_stream.id for update;
  if not found then
    return 0;
  end if;
  return sluice.retain_locked(retain_stream.id, clock_timestamp() - keep, at_most);
end
$$;

comment on function sluice.retain_stream is
  'As retain_due, for one stream that retain_due found locked. Waits up to a second for the lock, then raises 55P03.';

create function sluice.forget_keys(keep interval, at_most int) returns bigint
language plpgsql security definer
as $$
declare
  -- A comparison with clock_timestamp() itself would use no index, because it is volatile.
  cutoff timestamptz := clock_timestamp() - keep;
  removed bigint;
begin
  -- SKIP LOCKED leaves a key that a publish is using for the next call.
  delete from sluice.idempotency_keys k
  where k.ctid = any (array(
    select o.ctid from sluice.idempotency_keys o
    where o.created_at < cutoff
    order by o.created_at limit at_most
    for update skip locked
  ));
  get diagnostics removed = row_count;
  return removed;
end
$$;

comment on function sluice.forget_keys is
  'Removes at most at_most idempotency keys older than keep. Call it until it returns 0.';

revoke all on all functions in schema sluice from public;
