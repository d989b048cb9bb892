-- The cursor of a consumer moves by itself over events that its filter leaves out. A process may have read them from a server whose tail
-- was lost since: its cursor would be that of a lost event, and the next client would get a reset although it has never seen one.

create function sluice.pass_over(ids uuid[], epochs bigint[], positions bigint[], event_ids uuid[])
returns table (id uuid, epoch bigint)
language sql security definer
as $$
  select m.id, m.epoch
  from (
    select array_agg(p.id) as ids, array_agg(p.epoch) as epochs, array_agg(p.position) as positions,
      array_agg(p.event_id) as event_ids
    from unnest(pass_over.ids, pass_over.epochs, pass_over.positions, pass_over.event_ids) as p (id, epoch, position, event_id)
    join sluice.consumers c on c.id = p.id
    where exists (
        select from sluice.events e
        where e.stream_id = c.stream_id and e."position" = p.position and e.event_id = p.event_id
      )
      -- Retention has removed it.
      or exists (
        select from sluice.streams s
        where s.id = c.stream_id and s.base_position = p.position and s.base_event_id = p.event_id
      )
  ) kept
  cross join lateral sluice.move_cursors(kept.ids, kept.epochs, kept.positions, kept.event_ids) as m
$$;

comment on function sluice.pass_over is
  'Internal. Moves cursors of consumers over events that their filters leave out, as move_cursors does, but only to events that the log still has.';

revoke all on all functions in schema sluice from public;
