-- Up Migration

-- The sweep of leases compares with one time, so that the index finds the leases that have expired, and a job that goes back
-- to its queue has no holder (0016).

create or replace function sluice.expire_lease()
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '100ms'
as $$
declare
  -- A comparison with clock_timestamp() itself, which is volatile, uses no index.
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
      -- A feed that somebody keeps locked, or has closed, holds up its own workspace only.
      when lock_not_available or sqlstate 'SL001' then stuck := stuck || its_workspace;
    end;
  end loop;
end
$$;

revoke all on all functions in schema sluice from public;
