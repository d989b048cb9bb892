-- Up Migration

-- The way of publishing that a program names in a call of sluice.append must be one of the known ways: gateways read it with each event,
-- and count by it.

create or replace function sluice.append(
  workspace text, stream text, type text, data json, actor text default null, traceparent text default null,
  -- A gateway that does not know this argument sets the workspace of its transactions. An application does not.
  way text default case when coalesce(current_setting('sluice.workspace', true), '') = '' then 'sql' end
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  locked bigint;
begin
  perform sluice.check_names(append.workspace, append.stream, system => true);
  perform sluice.check_type(append.type, system => append.workspace = '$system');
  perform sluice.check_data(append.data);
  if append.way <> all (array['http', 'engine', 'item', 'job', 'runner', 'sql', 'watch', 'backfill', 'system']) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %L is not a way of publishing', left(append.way, 200)),
      hint = 'Leave the argument way out.';
  end if;

  -- The fast path for one existing stream. It reads the tail as sluice.tails does.
  select s.id into locked from sluice.streams s
  where s.workspace = append.workspace and s.name = append.stream for no key update;
  if not found then
    locked := (sluice.lock_streams(array[append.workspace], array[append.stream]))[1];
  end if;
  perform sluice.refuse_closed(array[locked]);
  begin
    return query
    insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor, way, traceparent)
    select s.id, coalesce(l.position, s.base_position) + 1, greatest(l.at, s.base_at, clock_timestamp()),
      gen_random_uuid(), append.type, append.data, append.actor,
      case when append.workspace = '$system' then 'system' else append.way end,
      coalesce(sluice.checked_traceparent(append.traceparent), sluice.current_traceparent())
    from sluice.streams s
    left join lateral (
      select l.position, l.at from sluice.events l where l.stream_id = s.id order by l.position desc limit 1
    ) l on true
    where s.id = locked
    returning e.stream_id, e.position, e.event_id, e.at;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
end
$$;

revoke all on all functions in schema sluice from public;
