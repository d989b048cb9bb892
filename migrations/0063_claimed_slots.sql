-- Up Migration

-- A claim of slots that meets the removal of its row: a process gives its last slots of a key back, or the sweep removes the row, while
-- another process claims slots of the key. It found the row, waited for its lock, and then had no row to write to: the slots were
-- granted and not recorded. `on conflict do update` inserts the row or locks it, in one step; `where false` leaves it as it is.

create or replace function sluice.claim_stream_slots(node uuid, keys text[], wanted integer[], caps integer[])
returns table (granted integer[], free integer[])
language plpgsql security definer
as $$
declare
  others text[] := array(
    select n.id::text from sluice.nodes n
    where n.id <> node and n.heartbeat_at > clock_timestamp() - interval '6 seconds'
  );
begin
  -- In order, so two processes that claim slots of the same keys cannot deadlock. The next statement sees what they have committed.
  insert into sluice.stream_slots (key, holders)
  select t.key, '{}' from unnest(keys) as t (key) order by t.key
  on conflict (key) do update set holders = excluded.holders where false;

  return query
  with claims as (
    select t.place, t.key, t.wanted, t.cap, h.held, h.own, h.elsewhere
    from unnest(keys, wanted, caps) with ordinality as t (key, wanted, cap, place)
    join sluice.stream_slots s on s.key = t.key
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
