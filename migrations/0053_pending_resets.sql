-- Up Migration

-- A reset of a pull consumer waits in its row until it is acknowledged: a client that dies while it reloads its state must not
-- hide the loss from the next one. The cursor stays where the log has lost it, so every holder until then gets a reset of its own.

alter table sluice.consumers
  add column reset_stream_id bigint,
  add column reset_position bigint,
  add column reset_event_id uuid,
  add constraint consumers_reset_check check (num_nulls(reset_stream_id, reset_position, reset_event_id) in (0, 3));

comment on column sluice.consumers.reset_stream_id is 'The stream of reset_position.';
comment on column sluice.consumers.reset_position is
  'Where the consumer continues after a reset; an acknowledgement of this event or a later one moves the cursor. Null without a reset.';
comment on column sluice.consumers.reset_event_id is 'The event at reset_position.';

create or replace function sluice.seek_consumer(workspace text, id uuid, stream_id bigint, cursor_position bigint, cursor_event_id uuid)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.fence_consumer(seek_consumer.workspace, seek_consumer.id, 'sought', null);
  perform sluice.check_stream_of(seek_consumer.workspace, seek_consumer.stream_id);
  return query
  update sluice.consumers c
  set stream_id = seek_consumer.stream_id, cursor_position = seek_consumer.cursor_position,
    cursor_event_id = seek_consumer.cursor_event_id, lost_at = null,
    reset_stream_id = null, reset_position = null, reset_event_id = null
  where c.id = seek_consumer.id and c.workspace = seek_consumer.workspace
  returning c.*;
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
    select c.id from sluice.consumers c
    join unnest(ids, epochs) as m (id, epoch) on m.epoch = c.epoch and m.id = c.id
    where c.id = any (ids)
    order by c.id
    for no key update of c
  );
  update sluice.consumers c
  set stream_id = coalesce(c.reset_stream_id, c.stream_id), cursor_position = m.position, cursor_event_id = m.event_id,
    last_ack_at = clock_timestamp(), reset_stream_id = null, reset_position = null, reset_event_id = null,
    in_flight = case when m.position >= c.handed_position then 0
      else least(c.in_flight, greatest(c.handed_position - m.position, 0))::integer end
  from unnest(ids, positions, event_ids) as m (id, position, event_id)
  where c.id = any (own) and m.id = c.id and m.position >= coalesce(c.reset_position, c.cursor_position + 1);
  return query select m.id, m.epoch from unnest(ids, epochs) as m (id, epoch) where m.id <> all (own);
end
$$;

comment on function sluice.move_cursors is
  'Moves cursors forward to events of the log; a place that is not after the cursor, or before a reset that waits, changes nothing. '
  'At most one place for each consumer. Returns the consumers whose epoch is another by now, or that are gone: their cursors have '
  'not moved.';

create or replace function sluice.reset_consumer(id uuid, epoch bigint, stream_id bigint, cursor_position bigint, cursor_event_id uuid)
returns table (consumer sluice.consumers, first_loss boolean)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  before sluice.consumers;
  lag record;
  waits boolean;
begin
  select c.* into before from sluice.consumers c
  where c.id = reset_consumer.id and c.epoch = reset_consumer.epoch for no key update;
  if not found then
    return;
  end if;
  if before.lost_at is null then
    select coalesce(f.events, 0) as events, coalesce(extract(epoch from clock_timestamp() - f.since), 0)::float8 as seconds
    into lag
    from (values (before.stream_id)) as b (id)
    left join lateral (select s.base_position from sluice.streams s where s.id = b.id limit 1) s on true
    cross join lateral sluice.consumer_lag(b.id, coalesce(s.base_position, before.cursor_position), before.cursor_position) f;
    perform sluice.announce_lag(before, lag.events, lag.seconds, true);
  end if;
  -- The client may have acknowledged the reset before it is stored here.
  waits := before.kind = 'pull' and not (
    before.stream_id = reset_consumer.stream_id and before.cursor_position >= reset_consumer.cursor_position and (
      before.cursor_event_id = reset_consumer.cursor_event_id or exists (
        select from sluice.events e
        where e.stream_id = before.stream_id and e.position = before.cursor_position and e.event_id = before.cursor_event_id
      )
    )
  );
  return query
  update sluice.consumers c
  set stream_id = case when before.kind = 'pull' then c.stream_id else reset_consumer.stream_id end,
    cursor_position = case when before.kind = 'pull' then c.cursor_position else reset_consumer.cursor_position end,
    cursor_event_id = case when before.kind = 'pull' then c.cursor_event_id else reset_consumer.cursor_event_id end,
    reset_stream_id = case when waits then reset_consumer.stream_id end,
    reset_position = case when waits then reset_consumer.cursor_position end,
    reset_event_id = case when waits then reset_consumer.cursor_event_id end,
    lost_at = coalesce(c.lost_at, clock_timestamp()),
    -- So that sluice.note_lag does not notify the workspace of the same loss.
    lagging_since = case when waits then coalesce(c.lagging_since, clock_timestamp()) else c.lagging_since end,
    handed_position = null, handed_event_id = null, handed_at = null, in_flight = 0
  where c.id = reset_consumer.id
  returning c, before.lost_at is null;
end
$$;

comment on function sluice.reset_consumer is
  'The log does not continue the cursor. Puts the one of a webhook, whose receiver has the reset, anywhere. A pull consumer keeps '
  'its cursor, and the reset waits for an acknowledgement. Notifies the workspace, unless it was notified of this loss before '
  '(first_loss: false). No row when the epoch is another by now.';

create or replace function sluice.note_lag(id uuid, lagging boolean, lost boolean, lag_events bigint, lag_seconds float8)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  noted sluice.consumers;
begin
  update sluice.consumers c
  set lagging_since = case when note_lag.lagging or c.reset_position is not null then coalesce(c.lagging_since, clock_timestamp()) end,
    lost_at = case when note_lag.lost then coalesce(c.lost_at, clock_timestamp()) when note_lag.lagging or c.reset_position is not null then c.lost_at end
  where c.id = note_lag.id and (
    (c.lagging_since is not null) <> (note_lag.lagging or c.reset_position is not null) or note_lag.lost and c.lost_at is null
    or not note_lag.lagging and c.lost_at is not null and c.reset_position is null
  )
  returning c.* into noted;
  if found then
    if note_lag.lagging then
      perform sluice.announce_lag(noted, note_lag.lag_events, note_lag.lag_seconds, note_lag.lost);
    end if;
    return next noted;
  end if;
end
$$;

revoke all on all functions in schema sluice from public;
