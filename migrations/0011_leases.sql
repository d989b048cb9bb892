-- Up Migration

-- Leases: a runner claims a job from the queue, keeps its lease by heartbeats, and hands the job back or loses it.
--
-- Invariant: at most one attempt of a job holds its lease (fencing: 0010_jobs), and a job that goes back to its queue has
-- neither runner nor holder.

create function sluice.lease_end(started_at timestamptz, timeout_ms int, lease_ms int) returns timestamptz
language sql volatile
return least(
  clock_timestamp() + lease_ms * interval '1 millisecond',
  started_at + (timeout_ms + 30000) * interval '1 millisecond'
);

comment on function sluice.lease_end is
  'Internal. When a lease that is taken now ends: after lease_ms, but at most 30 s after the job''s time limit, because a '
  'runner that keeps a job beyond its limit does not watch it.';

create function sluice.claim_job(
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

comment on function sluice.claim_job is
  'Takes the first job out of a queue: the oldest of the highest priority. projects and kinds narrow the choice; null does '
  'not. No row when there is no job, or when other callers are taking the only ones.';

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
  'Extends a lease and returns its new end. An expired lease is valid again if expire_lease has not taken the job yet.';

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
  'Returns a job to its old place in the queue. Never interrupts it, however many attempts it has had.';

create function sluice.expire_lease()
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '100ms'
as $$
declare
  -- A comparison with clock_timestamp() itself would use no index, because it is volatile.
  present timestamptz := clock_timestamp();
  expired uuid;
  its_workspace text;
  stuck text[] := '{}';
begin
  for expired, its_workspace in
    select j.id, j.workspace from sluice.jobs j
    where j.status = 'running' and j.lease_expires_at < present
    order by j.lease_expires_at
    for update skip locked
  loop
    continue when its_workspace = any (stuck);
    begin
      update sluice.jobs j
      set status = case when j.attempt < j.max_attempts then 'queued' else 'interrupted' end,
        ended_at = case when j.attempt < j.max_attempts then null else clock_timestamp() end,
        runner = case when j.attempt < j.max_attempts then null else j.runner end,
        claimed_by = case when j.attempt < j.max_attempts then null else j.claimed_by end,
        started_at = case when j.attempt < j.max_attempts then null else j.started_at end,
        lease_expires_at = null
      where j.id = expired
      returning j.* into job;
      streams := sluice.record(job, null, 'lease-expired');
      return next;
      return;
    exception
      -- A feed that another transaction keeps locked, or that is closed, holds up its own workspace only.
      when lock_not_available or sqlstate 'SL001' then stuck := stuck || its_workspace;
    end;
  end loop;
end
$$;

comment on function sluice.expire_lease is
  'Takes one job away from a runner whose lease has expired: it returns to its queue, or is interrupted after its last '
  'attempt. Call it until it returns no row. Any number of sessions may call it at once.';

revoke all on all functions in schema sluice from public;
