-- Up Migration

-- A process may hold ten thousand webhooks, and it renews their leases in one statement. Each given consumer is looked up by its id:
-- a join of all given ids with all given consumers took 24 s for ten thousand, longer than a lease.

create or replace function sluice.renew_consumers(node uuid, ids uuid[], epochs bigint[], lease_ms integer)
returns table (id uuid, epoch bigint, reason text)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  held uuid[];
begin
  held := array(
    select c.id
    from (select u.id, u.epoch from unnest(ids, epochs) as u (id, epoch) order by u.id) h
    cross join lateral (
      select o.id from sluice.consumers o
      where o.id = h.id and o.epoch = h.epoch and o.holder_node is not distinct from node
      for no key update
    ) c
  );
  update sluice.consumers c set lease_until = present + lease_ms * interval '1 millisecond' where c.id = any (held);
  return query
  select h.id, h.epoch, coalesce((select c.fenced_by from sluice.consumers c where c.id = h.id), 'deleted')
  from unnest(ids, epochs) as h (id, epoch)
  where h.id <> all (held);
end
$$;

create or replace function sluice.release_consumers(node uuid, ids uuid[], epochs bigint[]) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform from sluice.consumers c where c.id = any (ids) order by c.id for no key update;
  update sluice.consumers c
  set holder = null, holder_node = null, held_since = null, lease_until = '-infinity', handed_position = null,
    handed_event_id = null, handed_at = null, in_flight = 0
  from unnest(ids, epochs) as h (id, epoch)
  where h.id = c.id and h.epoch = c.epoch and c.holder_node is not distinct from node;
end
$$;

create or replace function sluice.hand_out(ids uuid[], epochs bigint[], positions bigint[], event_ids uuid[], counts integer[], lease_ms integer)
returns table (id uuid, epoch bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  noted uuid[];
begin
  perform from sluice.consumers c where c.id = any (ids) order by c.id for no key update;
  with noted_rows as (
    update sluice.consumers c
    set handed_at = case when c.in_flight = 0 or c.handed_at is null then present else c.handed_at end,
      handed_position = h.position, handed_event_id = h.event_id, in_flight = h.count,
      lease_until = case when lease_ms is null then c.lease_until else present + lease_ms * interval '1 millisecond' end
    from unnest(ids, epochs, positions, event_ids, counts) as h (id, epoch, position, event_id, count)
    where h.id = c.id and h.epoch = c.epoch
    returning c.id
  )
  select coalesce(array_agg(n.id), '{}') into noted from noted_rows n;
  return query select h.id, h.epoch from unnest(ids, epochs) as h (id, epoch) where h.id <> all (noted);
end
$$;

create or replace function sluice.move_cursors(ids uuid[], epochs bigint[], positions bigint[], event_ids uuid[])
returns table (id uuid, epoch bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  own uuid[];
begin
  own := array(
    select c.id
    from (select u.id, u.epoch from unnest(ids, epochs) as u (id, epoch) order by u.id) m
    cross join lateral (
      select o.id from sluice.consumers o where o.id = m.id and o.epoch = m.epoch for no key update
    ) c
  );
  update sluice.consumers c
  set stream_id = coalesce(c.reset_stream_id, c.stream_id), cursor_position = m.position, cursor_event_id = m.event_id,
    last_ack_at = clock_timestamp(), reset_stream_id = null, reset_position = null, reset_event_id = null,
    in_flight = case when m.position >= c.handed_position then 0
      else least(c.in_flight, greatest(c.handed_position - m.position, 0))::integer end
  from unnest(ids, positions, event_ids) as m (id, position, event_id)
  where m.id = any (own) and m.id = c.id and m.position >= coalesce(c.reset_position, c.cursor_position + 1);
  return query select m.id, m.epoch from unnest(ids, epochs) as m (id, epoch) where m.id <> all (own);
end
$$;
