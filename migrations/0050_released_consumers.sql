-- Up Migration

-- A client that reads pages continues under its epoch after it has acknowledged everything, which has released the consumer. So a
-- release keeps who held it and since when: they hold again when the next page extends the lease.

create or replace function sluice.release_consumers(node uuid, ids uuid[], epochs bigint[]) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform from sluice.consumers c where c.id = any (ids) order by c.id for no key update;
  update sluice.consumers c
  set holder_node = null, lease_until = '-infinity', handed_position = null, handed_event_id = null, handed_at = null, in_flight = 0
  from unnest(ids, epochs) as h (id, epoch)
  where c.id = any (ids) and h.id = c.id and h.epoch = c.epoch and c.holder_node is not distinct from node;
end
$$;

comment on column sluice.consumers.holder is 'The principal that holds it, or held it last; null for a webhook.';
comment on column sluice.consumers.held_since is 'When the present epoch was claimed.';

revoke all on all functions in schema sluice from public;
