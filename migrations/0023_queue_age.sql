-- Up Migration

-- Jobs that no runner claims: they wait visibly, and end after a time that the gateways are configured with.
--
-- Invariant: a job that goes back to its queue starts to wait anew.

alter table sluice.jobs add column queued_at timestamptz;
update sluice.jobs j set queued_at = clock_timestamp() where j.status = 'queued';
alter table sluice.jobs alter column queued_at set default clock_timestamp();
-- The second condition keeps statements that look for the queued jobs of a workspace from using this index.
create index jobs_by_waiting on sluice.jobs (queued_at) where status = 'queued' and queued_at is not null;

comment on column sluice.jobs.queued_at is
  'When the job last entered its queue. Null for a job that left the queue before this column existed.';

create function sluice.note_queued() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.queued_at := clock_timestamp();
  return new;
end
$$;

comment on function sluice.note_queued is 'Internal. A job goes back to its queue.';

create trigger note_queued before update of status on sluice.jobs
for each row when (new.status = 'queued' and old.status <> 'queued') execute function sluice.note_queued();

create function sluice.expire_queued(older_than interval)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '100ms'
as $$
declare
  -- A comparison with clock_timestamp() itself would use no index, because it is volatile.
  cutoff timestamptz := clock_timestamp() - older_than;
  expired uuid;
  its_workspace text;
  stuck text[] := '{}';
begin
  for expired, its_workspace in
    select j.id, j.workspace from sluice.jobs j
    where j.status = 'queued' and j.queued_at < cutoff
    order by j.queued_at
    for update skip locked
  loop
    continue when its_workspace = any (stuck);
    begin
      update sluice.jobs j
      set status = 'interrupted', ended_at = clock_timestamp(),
        result = json_build_object(
          'error', format('No runner claimed the %s within %s s.', case when j.kind = 'command' then 'command' else 'job' end,
            extract(epoch from older_than)::bigint),
          'reason', 'expired'
        )
      where j.id = expired
      returning j.* into job;
      streams := sluice.record(job, null, 'expired');
      return next;
      return;
    exception
      -- As in expire_lease.
      when lock_not_available or sqlstate 'SL001' then stuck := stuck || its_workspace;
    end;
  end loop;
end
$$;

comment on function sluice.expire_queued is
  'Interrupts one job that has waited in its queue for longer than that. Call it until it returns no row. Any number of '
  'sessions may call it at once. One job in a transaction, because the locks on the feeds of several workspaces would be '
  'taken in any order.';

revoke all on all functions in schema sluice from public;
