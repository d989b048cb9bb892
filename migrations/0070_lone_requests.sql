-- Up Migration

-- A publish request that is alone in its commit. With one publisher at a time the clients wait for this statement, so it does not
-- pay for the arrays, the keys and the batches of append_requests.

create function sluice.append_request(
  workspace text, stream text, actor text, type text, data text, way text, traceparent text
)
returns table (
  stream_id bigint, "position" bigint, event_id uuid, at timestamptz, previous uuid, refused text
)
language plpgsql security definer
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  locked record;
  tail record;
begin
  perform sluice.check_names(append_request.workspace, append_request.stream);
  perform sluice.check_type(append_request.type);
  loop
    select s.id, s.closed_at, s.base_position, s.base_at into locked from sluice.streams s
    where s.workspace = append_request.workspace and s.name = append_request.stream for no key update;
    exit when found;
    -- Creates the stream and locks it.
    if (sluice.lock_streams(array[append_request.workspace], array[append_request.stream], leaves_out => true))[1] is null then
      return query select null::bigint, null::bigint, null::uuid, null::timestamptz, null::uuid, 'too-many-stored-streams';
      return;
    end if;
  end loop;
  if locked.closed_at is not null then
    return query select null::bigint, null::bigint, null::uuid, null::timestamptz, null::uuid, 'stream-closed';
    return;
  end if;
  -- A new statement, whose snapshot sees the event of the previous holder of the lock.
  select l.position, l.at, l.event_id into tail from sluice.events l
  where l.stream_id = locked.id order by l.position desc limit 1;
  return query
  insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor, way, traceparent)
  values (
    locked.id, coalesce(tail.position, locked.base_position) + 1, greatest(tail.at, locked.base_at, clock_timestamp()),
    gen_random_uuid(), append_request.type, append_request.data::json, append_request.actor, append_request.way,
    sluice.checked_traceparent(append_request.traceparent)
  )
  returning e.stream_id, e.position, e.event_id, e.at, tail.event_id, null::text;
end
$$;

comment on function sluice.append_request is
  'One request of the gateway with one event, without a key and attributes, as sluice.append_requests stores it. previous is the event '
  'before it, or null. Only at READ COMMITTED: with an older snapshot the position may be taken, which is a unique_violation.';

revoke all on function sluice.append_request from public;
