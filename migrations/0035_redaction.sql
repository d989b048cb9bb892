-- Up Migration

-- Redaction: the data of a stored event is replaced for ever, in every table that has a copy of it.
--
-- Invariant: a redacted event keeps its position, UUID, type and time, so cursors, checks and I3 hold. Its data, the event
-- event.redacted that followers get, and the message to every process (0026) commit together.
--
-- Copies of an event's data are in the row of a job, whose status events show them, and as a fingerprint in
-- sluice.idempotency_keys. Publishers and runners lock these rows before the stream, so redaction does too.

alter table sluice.events add column redacted_at timestamptz;

comment on table sluice.events is
  'The events. Positions of a stream are dense (1, 2, 3, …) and in commit order. Written by functions only.';
comment on column sluice.events.redacted_at is 'When sluice.redact replaced the data; null for data as it was published.';

alter table sluice.idempotency_keys alter column fingerprint drop not null;

comment on column sluice.idempotency_keys.fingerprint is
  'Hash of the request. The same key with another request is refused. Null: an event of the request was redacted, and any '
  'request with the key gets the stored result.';

create or replace function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked',
  'cursor', 'event.compacted', 'event.redacted'
];

create function sluice.format_event_id("position" bigint, event_id uuid) returns text
language sql immutable
return "position" || '.' || (
  select string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', (b.bits >> s.shift & 31)::int + 1, 1), '' order by s.shift desc)
  from (select ('x' || left(event_id::text, 8))::bit(32)::bigint >> 2 as bits) b
  cross join unnest(array[25, 20, 15, 10, 5, 0]) as s (shift)
);

comment on function sluice.format_event_id is 'The event id that clients hold, such as 10532.k7f3qa.';

create function sluice.redactable_stream(workspace text, stream text, reason text) returns bigint
language plpgsql
as $$
declare
  id bigint;
begin
  perform sluice.check_name_forms(workspace, stream);
  if workspace <> nullif(current_setting('sluice.workspace', true), '') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('this transaction belongs to another workspace than %L', workspace);
  end if;
  if not coalesce(char_length(reason) between 1 and 1000, false) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'a redaction needs a reason of 1 to 1000 characters',
      hint = 'Clients can read it, and it is never erased, so it must not repeat what it erases.';
  end if;
  select s.id into id from sluice.streams s
  where s.workspace = redactable_stream.workspace and s.name = redactable_stream.stream;
  if not found then
    raise exception using
      errcode = 'SL007',
      message = format('there is no stream %L in the workspace %L', stream, workspace);
  end if;
  return id;
end
$$;

comment on function sluice.redactable_stream is
  'Internal. The number of the stream, if the caller may redact its events for this reason. SL007: there is no such stream.';

create function sluice.redact_positions(
  stream_id bigint, positions bigint[], event_ids uuid[], reason text, actor text, keep_actor boolean
)
returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
  replaced_at timestamptz := date_trunc('milliseconds', clock_timestamp());
  facts text := format('"reason":%s,"at":"%s"', to_json(reason),
    to_char(replaced_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
  replacement json := format('{"redacted":true,%s}', facts);
  stream record;
  copied record;
begin
  select array_agg(e.position order by e.position) as positions, array_agg(distinct coalesce(e.actor, '')) as actors,
    array_agg(distinct e.data ->> 'job_id') filter (where e.type = any (sluice.job_status_types())) as jobs
  into copied
  from sluice.events e
  where e.stream_id = redact_positions.stream_id and e.position = any (redact_positions.positions)
    and e.redacted_at is null and (event_ids is null or e.event_id = any (event_ids));
  if copied.positions is null then
    return 0;
  end if;

  select s.workspace into stream from sluice.streams s where s.id = redact_positions.stream_id;
  update sluice.idempotency_keys k set fingerprint = null
  where k.workspace = stream.workspace and k.actor = any (copied.actors)
    and k.stream_id = redact_positions.stream_id and k.fingerprint is not null
    and exists (
      select from unnest(copied.positions) as p
      where p >= k.first_position and p < k.first_position + cardinality(k.event_ids)
    );
  update sluice.jobs j
  set title = null, runner = case when j.status = 'running' then j.runner end,
    result = case when j.result is not null then replacement end
  where j.workspace = stream.workspace and j.name = any (copied.jobs);

  select s.id, s.closed_at into stream from sluice.streams s where s.id = redact_positions.stream_id for no key update;
  if not found then
    return 0;
  end if;
  with redacted as (
    update sluice.events e
    set data = replacement, redacted_at = replaced_at, actor = case when keep_actor then e.actor end
    where e.stream_id = stream.id and e.position = any (copied.positions) and e.redacted_at is null
    returning e.position, e.event_id
  )
  select array_agg(r.position order by r.position) as positions, array_agg(r.event_id order by r.position) as event_ids
  into copied from redacted r;
  if copied.positions is null then
    return 0;
  end if;

  -- A closed stream has had its last event.
  if stream.closed_at is null then
    perform sluice.append_locked(
      array(select stream.id from unnest(copied.positions)),
      array(select 'event.redacted' from unnest(copied.positions)),
      array(
        select format('{"position":%s,"id":"%s",%s}', r.position, sluice.format_event_id(r.position, r.event_id), facts)::json
        from unnest(copied.positions, copied.event_ids) as r (position, event_id) order by r.position
      ),
      array(select redact_positions.actor from unnest(copied.positions))
    );
  end if;
  perform sluice.announce_changes(stream.id, copied.positions[cardinality(copied.positions)]);
  return cardinality(copied.positions);
end
$$;

comment on function sluice.redact_positions is
  'Internal. Redacts events that are stored and were not redacted before, and returns how many. event_ids: their UUIDs, if the '
  'caller knows them; another event at the same position is then left alone.';

create function sluice.redact(
  workspace text, stream text, "position" bigint, reason text, actor text default null, keep_actor boolean default false
)
returns boolean
language plpgsql security definer
as $$
declare
  id bigint := sluice.redactable_stream(workspace, stream, reason);
begin
  if not exists (select from sluice.events e where e.stream_id = id and e.position = redact.position) then
    return null;
  end if;
  return sluice.redact_positions(id, array[position], null, reason, actor, keep_actor) > 0;
end
$$;

comment on function sluice.redact is
  'Replaces the data of a stored event by {"redacted":true,"reason":…,"at":…} in the log, in the row of a job whose status it '
  'reports, and in the memory of every gateway within 5 s; the hash of the request that published it is removed. Followers get '
  'event.redacted. The name of the publisher is erased too unless keep_actor. Returns false if the event was redacted before, '
  'null if there is no such event. The stream stays locked until the transaction ends, so commit soon. SL007: there is no such '
  'stream. 40001, under REPEATABLE READ and above: retry. Dead rows keep the data until VACUUM.';

create function sluice.redact_where(
  workspace text, stream text, contains jsonb, reason text, actor text default null, keep_actor boolean default false,
  after bigint default 0, at_most int default 1000, out redacted bigint, out up_to bigint
)
language plpgsql security definer
as $$
declare
  id bigint := sluice.redactable_stream(workspace, stream, reason);
  positions bigint[];
begin
  if contains is null or jsonb_typeof(contains) <> 'object' or contains = '{}' or coalesce(at_most, 0) not between 1 and 10000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'redact_where needs a JSON object with at least one member, and a batch of 1 to 10000 events';
  end if;
  positions := array(
    select e.position from sluice.events e
    where e.stream_id = id and e.position > coalesce(after, 0) and e.redacted_at is null
      and sluice.data_contains(e.data, contains)
    order by e.position limit at_most
  );
  redacted := sluice.redact_positions(id, positions, null, reason, actor, keep_actor);
  if cardinality(positions) = at_most then
    up_to := positions[at_most];
  end if;
end
$$;

comment on function sluice.redact_where is
  'Redacts, as sluice.redact does, the events after a position whose data contains a JSON object, as jsonb @> decides: at most '
  'at_most. redacted: how many they were. up_to: call again with this as after, until it is null. Reads the whole stream.';

create function sluice.redact_events(
  workspace text, stream text, positions bigint[], event_ids uuid[], reason text, actor text, keep_actor boolean
)
returns bigint
language plpgsql security definer
set lock_timeout = '2s'
as $$
begin
  return sluice.redact_positions(
    sluice.redactable_stream(workspace, stream, reason), positions, event_ids, reason, actor, keep_actor);
end
$$;

comment on function sluice.redact_events is
  'For the gateway. Redacts events that are known by position and UUID, and returns how many were not redacted before.';

-- Containment for every JSON text, also for one that jsonb cannot hold.
create function sluice.data_contains(data json, part jsonb) returns boolean
language plpgsql immutable
as $$
begin
  return sluice.contains(data, part);
exception
  -- Postgres reads no NUL and no half of a surrogate pair. A text with one of them differs from every text of part, which
  -- therefore must not have U+FFFF.
  when untranslatable_character or invalid_text_representation then
    return sluice.contains(regexp_replace(replace(data::text, '\\', '\u005c'),
      '\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}',
      '\\uffff', 'g')::json, part);
end
$$;

comment on function sluice.data_contains is 'Internal. Whether the data of an event contains part, as jsonb @> decides.';

create function sluice.contains(whole json, part jsonb) returns boolean
language plpgsql immutable
as $$
begin
  return whole::jsonb @> part;
exception
  -- A number that Postgres cannot hold differs from every number of part. Only its neighbours can match.
  when numeric_value_out_of_range then
    return case
      when json_typeof(whole) <> jsonb_typeof(part) then false
      when json_typeof(whole) = 'object' then not exists (
        select from jsonb_each(part) p
        where not coalesce((
          select json_typeof(v.value) = jsonb_typeof(p.value) and sluice.contains(v.value, p.value)
          from json_each(whole) with ordinality v (key, value, place) where v.key = p.key order by v.place desc limit 1
        ), false)
      )
      when json_typeof(whole) = 'array' then not exists (
        select from jsonb_array_elements(part) p
        where not exists (
          select from json_array_elements(whole) v
          where json_typeof(v.value) = jsonb_typeof(p.value) and sluice.contains(v.value, p.value)
        )
      )
      else false
    end;
end
$$;

comment on function sluice.contains is 'Internal. As jsonb @>, for values with numbers of any size.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
