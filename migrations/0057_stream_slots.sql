-- Up Migration

-- The slots of open streams that the processes hold, per principal, workspace and address, so that MAX_STREAMS_PER_… holds for
-- all processes together (docs/decisions/0006-shared-stream-caps.md).
--
-- Invariant: the table may be emptied at any time. It is unlogged, so a claim writes no WAL and its COMMIT waits for no flush;
-- after a crash it is empty until the processes claim again. Only the slots of processes count that have beaten within 6 s
-- (sluice.nodes), so those of a killed process are free by then.

create unlogged table sluice.stream_slots (
  key     text collate "C" primary key,
  -- The slots of each process, by its id.
  holders jsonb not null
-- Leaves room in each page for the next version of a row.
) with (fillfactor = 50);

comment on table sluice.stream_slots is
  'The slots of open streams by principal, workspace or address, and process. The table may be emptied at any time.';

create function sluice.claim_stream_slots(node uuid, keys text[], wanted integer[], caps integer[])
returns table (granted integer[], free integer[])
language plpgsql security definer
as $$
declare
  others text[] := array(
    select n.id::text from sluice.nodes n
    where n.id <> node and n.heartbeat_at > clock_timestamp() - interval '6 seconds'
  );
begin
  insert into sluice.stream_slots (key, holders)
  select t.key, '{}' from unnest(keys, wanted) as t (key, wanted) where t.wanted > 0 order by t.key
  on conflict do nothing;
  -- In order, so two processes that claim slots of the same keys cannot deadlock. The next statement sees what they have committed.
  perform from sluice.stream_slots s where s.key = any (keys) order by s.key for update;

  return query
  with claims as (
    select t.place, t.key, t.wanted, t.cap, h.held, h.own, h.elsewhere
    from unnest(keys, wanted, caps) with ordinality as t (key, wanted, cap, place)
    left join sluice.stream_slots s on s.key = t.key
    cross join lateral (
      select coalesce(jsonb_object_agg(h.key, h.value) filter (where h.key = any (others)), '{}') as held,
        coalesce(sum(h.value::integer) filter (where h.key = any (others)), 0)::integer as elsewhere,
        coalesce(max(h.value::integer) filter (where h.key = node::text), 0) as own
      from jsonb_each(s.holders) h
    ) h
  ),
  grants as (
    select c.*, least(c.wanted, greatest(c.own, c.cap - c.elsewhere)) as slots from claims c
  ),
  updated as (
    update sluice.stream_slots s
    set holders = g.held || case when g.slots > 0 then jsonb_build_object(node, g.slots) else '{}' end
    from grants g where s.key = g.key and (g.slots > 0 or g.elsewhere > 0)
  ),
  deleted as (
    delete from sluice.stream_slots s using grants g where s.key = g.key and g.slots = 0 and g.elsewhere = 0
  )
  select array_agg(g.slots order by g.place),
    array_agg(greatest(g.cap - g.elsewhere - g.slots, 0) order by g.place)
  from grants g;
end
$$;

comment on function sluice.claim_stream_slots is
  'Internal. Sets the slots that one process holds of each key to the wanted number, or as many as the cap leaves; what it holds '
  'already stays. Returns them, and the slots that no process holds, in the order of keys. Wanting 0 gives all of them back.';

create function sluice.sweep_stream_slots(batch integer) returns integer
language plpgsql security definer
as $$
declare
  removed integer;
begin
  delete from sluice.stream_slots where key = any (array(
    select s.key from sluice.stream_slots s
    where not exists (select from sluice.nodes n where s.holders ? n.id::text)
    limit batch for update skip locked
  ));
  get diagnostics removed = row_count;
  return removed;
end
$$;

comment on function sluice.sweep_stream_slots is
  'Internal. Removes at most the given number of rows whose processes are all gone, and returns how many it has removed.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
