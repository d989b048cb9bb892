-- Up Migration

-- Publishing after a head that the publisher knows: it holds only if nobody has published since.

create function sluice.event_id("position" bigint, event_id uuid) returns text
language sql immutable
return "position" || '.' || (
  select string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', ((bits.n >> shift) & 31)::int + 1, 1), '' order by shift desc)
  from (select ('x' || left(event_id.event_id::text, 8))::bit(32)::bigint >> 2 as n) bits, generate_series(0, 25, 5) shift
);

comment on function sluice.event_id is 'The event id that clients have, such as 10532.k7f3qa, from a position and a UUID.';

create function sluice.expect_head(workspace text, stream text, head text) returns void
language plpgsql security definer
set lock_timeout = '2s'
as $$
declare
  ids bigint[];
  found_head text;
  last_position bigint;
begin
  perform sluice.check_names(workspace, stream);
  if head is null or head !~ '^(0|(0|[1-9][0-9]{0,15})\.[a-z2-7]{6})$' then
    raise exception using
      errcode = 'SL002',
      message = format('%s is not an event id with a check', coalesce(quote_literal(left(head, 200)), 'null')),
      hint = 'Pass the id of the newest event that you know, such as 10532.k7f3qa, or 0 for a stream without any.';
  end if;
  ids := sluice.lock_streams(array[workspace], array[stream]);
  -- In a new statement, which sees what the previous holder of the lock has committed.
  select coalesce(e.position, s.base_position), sluice.event_id(coalesce(e.position, s.base_position), coalesce(e.event_id, s.base_event_id))
  into last_position, found_head
  from sluice.streams s
  left join lateral (
    select e.position, e.event_id from sluice.events e where e.stream_id = s.id order by e.position desc limit 1
  ) e on true
  where s.id = ids[1];
  if found_head <> head and not (head = '0' and last_position = 0) then
    raise exception using
      errcode = 'SL005',
      message = format('the head of the stream %L is not %s', stream, head),
      detail = found_head,
      hint = 'Read the events since, then decide again.';
  end if;
end
$$;

comment on function sluice.expect_head is
  'Raises SL005, with the current head as detail, unless this is the newest event of the stream; 0: the stream has never had one. '
  'The stream stays locked until the transaction ends, so events that this transaction publishes to it follow that event: commit '
  'soon, and expect heads of several streams in the same order everywhere.';

revoke all on all functions in schema sluice from public;
