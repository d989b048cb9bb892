-- Up Migration

-- Claims of runners whose grants name some jobs: a job is granted by its stream, `job:<id>`, or as one of its project,
-- `project/<project>/<id>`, in which `%`, `/` and `*` of the project are escaped (src/jobs/job-grants.ts).

create function sluice.claim_job(
  workspace text, projects text[], kinds text[], runner text, lease_ms int, actor text, own_ids boolean,
  granted text[], granted_prefixes text[]
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
    where q.workspace = claim_job.workspace and q.status = 'queued' and (claim_job.own_ids or q.name = q.id::text)
      and (claim_job.projects is null or q.project = any (claim_job.projects))
      and (claim_job.kinds is null or q.kind = any (claim_job.kinds))
      and (claim_job.granted is null or exists (
        select from unnest(array[
          'job:' || q.name,
          'project/' || replace(replace(replace(q.project, '%', '%25'), '/', '%2F'), '*', '%2A') || '/' || q.name
        ]) as stream (name)
        where stream.name = any (claim_job.granted) or stream.name ^@ any (claim_job.granted_prefixes)
      ))
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

comment on function sluice.claim_job(text, text[], text[], text, int, text, boolean, text[], text[]) is
  'Takes the first job out of a queue: the oldest of the highest priority. projects and kinds narrow the choice, and so do '
  'granted and granted_prefixes, the names and beginnings of names by which grants know jobs; null does not. own_ids: whether '
  'the caller knows jobs by their names. No row when there is no job, or when other callers are taking the only ones.';

-- For gateways from before.
create or replace function sluice.claim_job(
  workspace text, projects text[], kinds text[], runner text, lease_ms int, actor text, own_ids boolean default false
)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select c.job, c.streams
    from sluice.claim_job(workspace, projects, kinds, runner, lease_ms, actor, own_ids, null, null) c;
end
$$;

comment on function sluice.claim_job(text, text[], text[], text, int, text, boolean) is
  'For a gateway from before: the function with the same name and two parameters more, without grants.';

revoke all on all functions in schema sluice from public;
