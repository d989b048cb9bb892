-- Up Migration

-- Which types the executor of a job may report to the job's stream.
--
-- Invariant: only the gateway reports the status of a job. The names of these events are listed here; on any other stream every
-- name that starts with job. stays reserved, so that a later version may add to the list without a clash there.

create function sluice.job_status_types() returns text[]
language sql immutable
return array[
  'job.created', 'job.started', 'job.requeued', 'job.completed', 'job.failed', 'job.cancelled', 'job.aborted', 'job.interrupted'
];

comment on function sluice.job_status_types is 'The types of the events with which the gateway reports the status of a job.';

create function sluice.check_report(type text, kind text) returns void
language plpgsql immutable
as $$
begin
  if type = any (sluice.job_status_types()) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the type %L reports the status of a job, and only the gateway publishes it', type),
      hint = 'Report the end of a job with its own request, and events of other types.';
  end if;
  if sluice.is_type(type)
    and (starts_with(type, 'job.') or kind = 'execution' and type in ('open', 'error', 'message', 'heartbeat'))
  then
    return;
  end if;
  perform sluice.check_type(type);
end
$$;

comment on function sluice.check_report is
  'Internal. Raises SL002 unless the executor of a job of this kind may report an event of this type. Orchestrators report '
  'events that are named error, message, open and heartbeat.';

create or replace function sluice.append_job(
  workspace text, id text, attempt int, types text[], data text[], key text, fingerprint text, actor text,
  holder text default null
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz, replayed boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  job sluice.jobs;
  known sluice.idempotency_keys;
  ids bigint[];
begin
  select j.* into job from sluice.jobs j
  where j.workspace = append_job.workspace and j.name = append_job.id
  for share;
  if append_job.key is not null and job.id is not null then
    -- Waits for another request with this key. A key that exists is locked and not written (the WHERE is false).
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    values (append_job.workspace, append_job.actor, append_job.key, append_job.fingerprint, clock_timestamp())
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
    select k.* into known from sluice.idempotency_keys k
    where k.workspace = append_job.workspace and k.actor = append_job.actor and k.key = append_job.key;
    -- A stream that differs belongs to an earlier job of this id.
    if known.fingerprint <> append_job.fingerprint or known.stream_id <> job.stream_id then
      raise exception using errcode = 'SL014', message = 'this idempotency key was used for another request';
    end if;
    -- Before the attempt is checked, because a stored result stays valid after the job's end.
    if known.event_ids is not null then
      return query
      select known.stream_id, known.first_position + e.place - 1, e.id, known.at, true
      from unnest(known.event_ids) with ordinality as e (id, place) order by e.place;
      return;
    end if;
  end if;
  perform sluice.check_attempt(job, append_job.attempt, append_job.holder);

  perform sluice.check_report(t.type, job.kind) from (select distinct u.type from unnest(types) as u (type)) t;
  ids := sluice.lock_streams(array[job.workspace], array['job:' || job.name]);
  return query
  with stored as (
    select e.* from sluice.append_locked(
      array(select ids[1] from unnest(types)), types, data::json[], array(select append_job.actor from unnest(types))
    ) e
  ),
  remembered as (
    update sluice.idempotency_keys k
    set stream_id = s.stream_id, first_position = s.first_position, event_ids = s.event_ids, at = s.at
    from (
      select max(e.stream_id) as stream_id, min(e.position) as first_position, max(e.at) as at,
        array_agg(e.event_id order by e.position) as event_ids
      from stored e
    ) s
    where k.workspace = append_job.workspace and k.actor = append_job.actor and k.key = append_job.key
  )
  select e.stream_id, e.position, e.event_id, e.at, false from stored e order by e.position;
end
$$;

revoke all on all functions in schema sluice from public;
