-- Up Migration

-- Request counts of each caller per window of time, which the gateways exchange several times a second
-- (docs/decisions/0002-shared-rate-limit.md).
--
-- Invariant: the table may be emptied at any time. It is unlogged, so counting writes no WAL and its COMMIT waits for no
-- flush; after a crash it is empty, and every caller has a fresh budget.

create unlogged table sluice.rate_windows (
  -- Windows since 1970 by this server's clock; the clocks of the gateways may differ.
  number bigint not null,
  key    text collate "C" not null,
  count  bigint not null,
  primary key (number, key)
-- Leaves room in each page for the next version of a row, because counts change several times a second.
) with (fillfactor = 50);

comment on table sluice.rate_windows is
  'Requests per caller and window, for the rate limit. Rows are removed after a few windows; the table may be emptied '
  'at any time.';

create function sluice.exchange_rates(
  window_ms integer, keys text[], current_counts integer[], previous_counts integer[]
)
returns table (at_ms bigint, current_totals integer[], previous_totals integer[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  now_ms bigint := floor(extract(epoch from clock_timestamp()) * 1000);
  present bigint := now_ms / window_ms;
begin
  -- No process writes to a window this old, so removing it waits for no lock.
  delete from sluice.rate_windows w where w.number < present - 5;

  -- The newer window first, and keys in order, so two processes that count the same callers cannot deadlock.
  insert into sluice.rate_windows as w (number, key, count)
  select present, t.key, t.count
  from unnest(keys, current_counts) as t (key, count) where t.count > 0 order by t.key
  on conflict on constraint rate_windows_pkey do update set count = w.count + excluded.count;

  insert into sluice.rate_windows as w (number, key, count)
  select present - 1, t.key, t.count
  from unnest(keys, previous_counts) as t (key, count) where t.count > 0 order by t.key
  on conflict on constraint rate_windows_pkey do update set count = w.count + excluded.count;

  return query
  select now_ms,
    array_agg(least(coalesce(c.count, 0), 2147483647)::integer order by k.place),
    array_agg(least(coalesce(p.count, 0), 2147483647)::integer order by k.place)
  from unnest(keys) with ordinality as k (key, place)
  left join sluice.rate_windows c on c.number = present and c.key = k.key
  left join sluice.rate_windows p on p.number = present - 1 and p.key = k.key;
end
$$;

comment on function sluice.exchange_rates is
  'Internal. Adds the counts of one process in the present window and the one before, and returns the totals of all processes, '
  'in the order of keys.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
