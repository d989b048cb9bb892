-- Up Migration

-- A job that a runner has claimed takes reports only from the holder of its lease: the principal that claimed it, when it
-- names the attempt that it claimed. The attempt alone proves nothing: every runner of the workspace can read it.
--
-- holder is the principal of a caller that may only speak for what it has claimed, and null for a caller that may change
-- every job. A gateway of the version before does not pass it, so its calls are held to the attempt alone, as before.

alter table sluice.jobs add column claimed_by text;

comment on column sluice.jobs.claimed_by is
  'The principal that claimed the current attempt. Null if nobody claimed it, or if it was claimed before this column existed.';

drop function sluice.check_attempt(sluice.jobs, int);
drop function sluice.lock_job(text, uuid, int);
drop function sluice.heartbeat_job(text, uuid, int, int);
drop function sluice.append_job(text, uuid, int, text[], text[], text, text, text);
drop function sluice.finish_job(text, uuid, int, text, json, text);
drop function sluice.requeue_job(text, uuid, int, text);

create function sluice.check_attempt(job sluice.jobs, attempt int, holder text default null) returns void
language plpgsql immutable
as $$
begin
  if job.id is null then
    raise exception using errcode = 'SL010', message = 'there is no such job in this workspace';
  end if;
  -- A job with a runner was claimed. A job that runs without one was started by the caller that executes it.
  if attempt <> job.attempt
    or job.ended_at is null and job.status <> 'running' and (attempt is not null or holder is not null)
    or holder is not null and (attempt is null) = (job.runner is not null)
    or holder <> job.claimed_by
  then
    raise exception using
      errcode = 'SL012',
      message = format('the caller does not have the lease of job %s', job.id),
      hint = 'Stop: the job belongs to another attempt or runner, or waits for one.';
  end if;
  if job.ended_at is not null then
    raise exception using errcode = 'SL011', message = format('job %s has ended: %s', job.id, job.status);
  end if;
end
$$;

comment on function sluice.check_attempt is
  'Internal. Raises SL010 when there is no job, SL012 when the caller does not have its lease, SL011 when it has ended. A '
  'holder has the lease of a job that it claimed if it names the attempt; of a job that runs and that nobody claimed it may '
  'report without an attempt. A caller without a holder has the lease unless it names another attempt.';

create function sluice.lock_job(workspace text, id uuid, attempt int, holder text default null) returns sluice.jobs
language plpgsql
as $$
declare
  job sluice.jobs;
begin
  select j.* into job from sluice.jobs j
  where j.id = lock_job.id and j.workspace = lock_job.workspace
  for no key update;
  perform sluice.check_attempt(job, lock_job.attempt, lock_job.holder);
  return job;
end
$$;

comment on function sluice.lock_job is
  'Internal. The job, whose status nobody else changes before the transaction ends. Raises as check_attempt does.';

create function sluice.heartbeat_job(workspace text, id uuid, attempt int, lease_ms int, holder text default null) returns timestamptz
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  job sluice.jobs := sluice.lock_job(
    heartbeat_job.workspace, heartbeat_job.id, heartbeat_job.attempt, heartbeat_job.holder
  );
  expires timestamptz := sluice.lease_end(job.started_at, job.timeout_ms, heartbeat_job.lease_ms);
begin
  update sluice.jobs j set lease_expires_at = expires where j.id = heartbeat_job.id;
  return expires;
end
$$;

comment on function sluice.heartbeat_job is
  'Lengthens a lease and returns its end. One that has expired is good again, if nobody has taken note of that yet.';

create function sluice.append_job(
  workspace text, id uuid, attempt int, types text[], data text[], key text, fingerprint text, actor text,
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
  where j.id = append_job.id and j.workspace = append_job.workspace
  for share;
  if append_job.key is not null and job.id is not null then
    -- Waits for another request with this key; a key that exists is locked without being written (the WHERE is false).
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    values (append_job.workspace, append_job.actor, append_job.key, append_job.fingerprint, clock_timestamp())
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
    select k.* into known from sluice.idempotency_keys k
    where k.workspace = append_job.workspace and k.actor = append_job.actor and k.key = append_job.key;
    if known.fingerprint <> append_job.fingerprint then
      raise exception using errcode = 'SL014', message = 'this idempotency key was used for another request';
    end if;
    -- Before the attempt is looked at: what was stored stays so after the job's end.
    if known.event_ids is not null then
      return query
      select known.stream_id, known.first_position + e.place - 1, e.id, known.at, true
      from unnest(known.event_ids) with ordinality as e (id, place) order by e.place;
      return;
    end if;
  end if;
  perform sluice.check_attempt(job, append_job.attempt, append_job.holder);

  perform sluice.check_type(t.type) from (select distinct u.type from unnest(types) as u (type)) t;
  if exists (select from unnest(types) as u (type) where starts_with(u.type, 'job.')) then
    raise exception using
      errcode = 'SL002',
      message = 'invalid event: types that start with job. tell of the status of a job and are not appended by hand';
  end if;
  ids := sluice.lock_streams(array[job.workspace], array['job:' || job.id]);
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

comment on function sluice.append_job is
  'Appends events to the stream of a job that has not ended. attempt: of the runner that sends them, which must have the '
  'lease; null for anybody else. With a key, a repeated request returns what the first one stored.';

create function sluice.finish_job(
  workspace text, id uuid, attempt int, status text, result json, actor text, holder text default null
)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
begin
  job := sluice.lock_job(finish_job.workspace, finish_job.id, finish_job.attempt, finish_job.holder);
  if finish_job.status not in ('completed', 'failed', 'cancelled') or job.status = 'queued' and finish_job.status <> 'cancelled' then
    raise exception using
      errcode = 'SL013',
      message = format('job %s is %s and cannot become %s', job.id, job.status, finish_job.status);
  end if;
  update sluice.jobs j
  set status = finish_job.status, result = finish_job.result, lease_expires_at = null, ended_at = clock_timestamp()
  where j.id = finish_job.id
  returning j.* into job;
  streams := sluice.record(job, finish_job.actor);
  return next;
end
$$;

comment on function sluice.finish_job is
  'Ends a job as completed or failed, if it runs, or as cancelled. attempt: of its runner; null for anybody else.';

create function sluice.requeue_job(workspace text, id uuid, attempt int, actor text, holder text default null)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
begin
  job := sluice.lock_job(requeue_job.workspace, requeue_job.id, requeue_job.attempt, requeue_job.holder);
  update sluice.jobs j set status = 'queued', runner = null, claimed_by = null, lease_expires_at = null, started_at = null
  where j.id = requeue_job.id
  returning j.* into job;
  streams := sluice.record(job, requeue_job.actor, 'handed-back');
  return next;
end
$$;

comment on function sluice.requeue_job is
  'Hands a job back to its queue, at its old place. Never interrupts it, however many attempts it has had.';

create or replace function sluice.claim_job(
  workspace text, projects text[], kinds text[], runner text, lease_ms int, actor text
)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
begin
  update sluice.jobs j
  set status = 'running', attempt = j.attempt + 1, runner = claim_job.runner, claimed_by = claim_job.actor,
    started_at = clock_timestamp(),
    lease_expires_at = sluice.lease_end(clock_timestamp(), j.timeout_ms, claim_job.lease_ms)
  where j.id = (
    select q.id from sluice.jobs q
    where q.workspace = claim_job.workspace and q.status = 'queued'
      and (claim_job.projects is null or q.project = any (claim_job.projects))
      and (claim_job.kinds is null or q.kind = any (claim_job.kinds))
    order by q.priority desc, q.created_at, q.id
    limit 1
    for update skip locked
  )
  returning j.* into job;
  if found then
    streams := sluice.record(job, claim_job.actor);
    return next;
  end if;
end
$$;

revoke all on all functions in schema sluice from public;
