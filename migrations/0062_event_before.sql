-- Up Migration

-- The event before a place, as it is committed now: a statement that has waited for another writer of the stream does not see that
-- writer's events, because it took its snapshot before. A volatile function takes another one.

create function sluice.event_before(stream_id bigint, "position" bigint) returns uuid
language plpgsql volatile
as $$
begin
  return (
    select e.event_id from sluice.events e
    where e.stream_id = event_before.stream_id and e.position = event_before.position - 1
  );
end
$$;

comment on function sluice.event_before is
  'Internal. The UUID of the event before a position of a stream, or null if it is not stored.';

revoke all on function sluice.event_before from public;
