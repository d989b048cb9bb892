-- Up Migration

-- Jobs: units of work that have an end. Each has a stream of its own in the log, job:<id>, of kind job.
--
--   queued ──── claim ────────────────────────▶ running ── finish ───────────────────────▶ completed, failed, cancelled
--     │ ▲                                          │ └── lease expired, no attempt left ──▶ interrupted
--     │ └── handed back, or its lease expired ─────┘
--     └──── cancel ──▶ cancelled
--
-- Invariant: a change of status and its events are one transaction. The event of a job's end is the last one of its
-- stream, which is closed with it, so there is exactly one such event however many callers race.
--
-- Invariant (fencing): only the holder of the lease reports on a job that a runner has claimed. Each claim increments the
-- attempt. The holder is the principal that claimed the job, and it names the attempt that it claimed, so a runner that
-- lost its lease cannot touch a job that another has taken over. The attempt alone proves nothing, because every runner of
-- the workspace can read it. In the functions, holder is the principal of a caller that may report only on the jobs that
-- it claimed, and null for a caller that may change every job. A gateway from before this rule does not pass it, so its
-- calls are checked by the attempt alone.
--
-- Locks are taken in one order: the job's row, an idempotency key, then streams in ascending id. A function that changes
-- the status locks the row FOR NO KEY UPDATE; a function that appends locks it FOR SHARE, so that the status stays the same
-- while events are stored.

create table sluice.jobs (
  id               uuid primary key default gen_random_uuid(),
  workspace        text collate "C" not null,
  stream_id        bigint           not null,
  kind             text collate "C" not null check (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
  project          text collate "C" check (char_length(project) between 1 and 128),
  title            text check (char_length(title) between 1 and 512),
  -- json, not jsonb: it is returned as it was sent, with its keys in their order.
  payload          json             not null check (json_typeof(payload) = 'object' and octet_length(payload::text) <= 65536),
  priority         smallint         not null check (priority between 0 and 9),
  status           text collate "C" not null default 'queued'
    check (status in ('queued', 'running', 'completed', 'failed', 'cancelled', 'interrupted')),
  result           json check (json_typeof(result) = 'object' and octet_length(result::text) <= 65536),
  attempt          integer          not null default 0,
  max_attempts     integer          not null check (max_attempts between 1 and 10),
  timeout_ms       integer check (timeout_ms between 1 and 86400000),
  runner           text check (octet_length(runner) <= 1024),
  lease_expires_at timestamptz,
  created_by       text             not null,
  created_at       timestamptz      not null default clock_timestamp(),
  started_at       timestamptz,
  ended_at         timestamptz,
  claimed_by       text,
  check ((ended_at is null) = (status in ('queued', 'running')))
);

create index jobs_in_queue on sluice.jobs (workspace, priority desc, created_at, id) where status = 'queued';
create index jobs_on_lease on sluice.jobs (lease_expires_at) where status = 'running';
create index jobs_by_age on sluice.jobs (workspace, created_at desc, id desc);
create index jobs_by_end on sluice.jobs (ended_at) where ended_at is not null;
select sluice.guard('sluice.jobs');

comment on table sluice.jobs is 'Units of work that have an end. Only functions write it.';
comment on column sluice.jobs.attempt is 'How often the job was started; 0 before the first start.';
comment on column sluice.jobs.lease_expires_at is
  'When its runner loses the job without another heartbeat. Null for a running job without a lease: the caller that started '
  'it keeps it until its end.';
comment on column sluice.jobs.started_at is 'When the latest attempt began.';
comment on column sluice.jobs.claimed_by is
  'The principal that claimed the current attempt. Null for an attempt that was not claimed, or that was claimed by a gateway '
  'that did not know this column.';

-- The parts of a change. ----------------------------------------------------------------------------------------------

create function sluice.check_attempt(job sluice.jobs, attempt int, holder text default null) returns void
language plpgsql immutable
as $$
begin
  if job.id is null then
    raise exception using errcode = 'SL010', message = 'there is no such job in this workspace';
  end if;
  -- A job that has a runner was claimed. A job that runs without one was started by the caller that executes it.
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
  'holder has the lease of a job that it claimed if it names the attempt; on a job that runs without having been claimed it '
  'reports without an attempt. A caller without a holder has the lease unless it names another attempt.';

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
  'Internal. Locks and returns the job: no other transaction changes its status until this one ends. Raises what '
  'check_attempt raises.';

create function sluice.record(job sluice.jobs, actor text, reason text default null) returns bigint[]
language plpgsql
as $$
declare
  type text := 'job.' || case
    when job.status = 'running' then 'started'
    when job.status <> 'queued' then job.status
    when reason is null then 'created'
    else 'requeued'
  end;
  data json;
  ids bigint[];
begin
  case type
    when 'job.created' then
      select row_to_json(d) into data
      from (select job.id as job_id, job.kind, job.project, job.title, job.priority) d;
    when 'job.started' then
      select row_to_json(d) into data from (select job.id as job_id, job.attempt, job.runner) d;
    when 'job.requeued' then
      select row_to_json(d) into data from (select job.id as job_id, job.attempt, record.reason) d;
    else
      select row_to_json(d) into data from (select job.id as job_id, job.status, job.result, job.attempt) d;
  end case;

  -- Every change but the return to the queue goes to the feed of the workspace too.
  ids := sluice.lock_streams(
    array[job.workspace] || case when type <> 'job.requeued' then array[job.workspace] end,
    array['job:' || job.id] || case when type <> 'job.requeued' then array['feed'] end
  );
  perform sluice.refuse_closed(ids);
  perform sluice.append_locked(ids, array(select type from unnest(ids)), array(select data from unnest(ids)),
    array(select actor from unnest(ids)));
  if job.ended_at is not null then
    perform sluice.close_stream(job.stream_id);
  end if;
  return ids;
end
$$;

comment on function sluice.record is
  'Internal. Appends the event of the job''s present status to its stream and to the feed of its workspace, closes the stream '
  'if the job has ended, and returns the streams. reason: why the job returned to the queue.';

-- Entry points: each is one change with its events, and returns the job after the change and the streams that grew. ---

create function sluice.create_job(
  workspace text, kind text, project text, title text, payload json, priority int, max_attempts int, timeout_ms int,
  started boolean, actor text
)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
declare
  id uuid := gen_random_uuid();
  stream_id bigint;
begin
  perform sluice.check_names(create_job.workspace, 'feed');
  insert into sluice.streams as s (workspace, name, kind) values (create_job.workspace, 'job:' || id, 'job')
  returning s.id into stream_id;
  insert into sluice.jobs as j
    (id, workspace, stream_id, kind, project, title, payload, priority, max_attempts, timeout_ms, created_by)
  values
    (id, create_job.workspace, stream_id, create_job.kind, create_job.project, create_job.title, create_job.payload,
     create_job.priority, create_job.max_attempts, create_job.timeout_ms, create_job.actor)
  returning j.* into job;
  streams := sluice.record(job, create_job.actor);
  if create_job.started then
    update sluice.jobs j set status = 'running', attempt = 1, started_at = clock_timestamp()
    where j.id = job.id
    returning j.* into job;
    perform sluice.record(job, create_job.actor);
  end if;
  return next;
end
$$;

comment on function sluice.create_job is
  'Puts a job into the queue of a workspace; or, with started, starts it for a caller that executes it without a runner. Such '
  'a job has no lease and runs until it is ended.';

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
    -- Waits for another request with this key. A key that exists is locked and not written (the WHERE is false).
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    values (append_job.workspace, append_job.actor, append_job.key, append_job.fingerprint, clock_timestamp())
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
    select k.* into known from sluice.idempotency_keys k
    where k.workspace = append_job.workspace and k.actor = append_job.actor and k.key = append_job.key;
    if known.fingerprint <> append_job.fingerprint then
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

  perform sluice.check_type(t.type) from (select distinct u.type from unnest(types) as u (type)) t;
  if exists (select from unnest(types) as u (type) where starts_with(u.type, 'job.')) then
    raise exception using
      errcode = 'SL002',
      message = 'invalid event: types that start with job. report the status of a job, and only the gateway publishes them';
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
  'Appends events to the stream of a job that has not ended. attempt: the attempt of the runner that sends them, which must '
  'have the lease; null for other callers. With a key, a repeated request returns what the first one stored.';

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
  'Ends a job: as completed or failed if it runs, or as cancelled. attempt: the attempt of its runner; null for other callers.';

create function sluice.forget_jobs(keep interval, at_most int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  cutoff timestamptz := clock_timestamp() - keep;
  ended record;
  last record;
  removed bigint := 0;
begin
  if cutoff is null or keep < interval '0' or coalesce(at_most, 0) < 1 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'forget_jobs needs a duration of 0 or more and a batch of 1 or more events';
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('sluice.forget_jobs', 0)) then
    return 0;
  end if;

  for ended in
    select j.id, j.stream_id from sluice.jobs j
    where j.ended_at < cutoff
    order by j.ended_at
    for update skip locked
  loop
    exit when removed >= at_most;
    -- The oldest first, and the base moves along, so a reader learns that it missed events.
    select count(*) as events, max(e.position) as position into last
    from (
      select e.position from sluice.events e where e.stream_id = ended.stream_id order by e.position limit at_most - removed
    ) e;
    update sluice.streams s
    set base_position = e.position, base_event_id = e.event_id, base_at = e.at
    from sluice.events e
    where s.id = ended.stream_id and e.stream_id = ended.stream_id and e.position = last.position;
    delete from sluice.events e where e.stream_id = ended.stream_id and e.position <= last.position;
    removed := removed + last.events;
    if not exists (select from sluice.events e where e.stream_id = ended.stream_id) then
      delete from sluice.streams s where s.id = ended.stream_id;
      delete from sluice.jobs j where j.id = ended.id;
    end if;
  end loop;
  return removed;
end
$$;

comment on function sluice.forget_jobs is
  'Removes jobs that ended longer than keep ago, with their streams, at most at_most events in one call. Call it until it '
  'returns 0. It also returns 0 while another session runs it.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
