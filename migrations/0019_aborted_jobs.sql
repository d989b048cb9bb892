-- Up Migration

-- A job can end as aborted: it was given up before its work was done, by its executor or by an editor. That is neither a
-- failure, which is a result, nor the cancellation of a request. Like cancelled, it can end a job that waits in the queue.

alter table sluice.jobs
  drop constraint jobs_status_check,
  add constraint jobs_status_check
    check (status in ('queued', 'running', 'completed', 'failed', 'cancelled', 'aborted', 'interrupted'));

create or replace function sluice.finish_job(
  workspace text, id text, attempt int, status text, result json, actor text, holder text default null
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
  if finish_job.status not in ('completed', 'failed', 'cancelled', 'aborted')
    or job.status = 'queued' and finish_job.status not in ('cancelled', 'aborted')
  then
    raise exception using
      errcode = 'SL013',
      message = format('job %s is %s and cannot become %s', job.name, job.status, finish_job.status);
  end if;
  update sluice.jobs j
  set status = finish_job.status, result = finish_job.result, lease_expires_at = null, ended_at = clock_timestamp()
  where j.id = job.id
  returning j.* into job;
  streams := sluice.record(job, finish_job.actor);
  return next;
end
$$;

comment on function sluice.finish_job(text, text, int, text, json, text, text) is
  'Ends a job: as completed or failed if it runs, or as cancelled or aborted. attempt: the attempt of its runner; null for '
  'other callers.';
