-- Up Migration

-- Jobs: units of work that have an end. Each has a stream of its own in the log, job:<id>, of kind job.
--
--   queued ──── claim ────────────────────────▶ running ── finish ───────────────────────▶ completed, failed, cancelled
--     │ ▲                                          │ └── lease expired, no attempt left ──▶ interrupted
--     │ └── handed back, or its lease expired ─────┘
--     └──── cancel ──▶ cancelled
--
-- A change of status and its events are one transaction. The event of an end is the last of its stream, which is closed
-- with it, so there is exactly one, whoever races. Each claim counts the attempt up; what a runner sends names its
-- attempt, so that one that lost its lease cannot touch what another has taken over (fencing).
--
-- Locks are taken in one order: the job's row, then an idempotency key, then streams in ascending id. Whoever changes the
-- status locks the row FOR NO KEY UPDATE; whoever appends shares it, so that the status stays while events are stored.

-- What the stream of a job holds is written through the job only, so the names of these streams are refused from here on.
alter function sluice.check_names rename to check_name_forms;
comment on function sluice.check_name_forms is 'Internal. Raises SL002 unless workspace and stream have the form of names.';

create function sluice.check_names(workspace text, stream text, system boolean default false, watched regclass default null)
returns void
language plpgsql immutable
as $$
begin
  perform sluice.check_name_forms(workspace, stream, system, watched);
  if starts_with(stream, 'job:') then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the stream %L is that of a job, and takes events through the job only', stream),
      hint = 'POST /api/jobs/:id/events appends to it.';
  end if;
end
$$;

comment on function sluice.check_names is 'Internal. Raises SL002 unless anybody may append to a stream of this name.';

create table sluice.jobs (
  id               uuid primary key default gen_random_uuid(),
  workspace        text collate "C" not null,
  stream_id        bigint           not null,
  kind             text collate "C" not null check (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
  project          text collate "C" check (char_length(project) between 1 and 128),
  title            text check (char_length(title) between 1 and 512),
  -- json, not jsonb: given back as it came, keys in their order.
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
  check ((ended_at is null) = (status in ('queued', 'running')))
);

comment on table sluice.jobs is 'Units of work that have an end. Only functions write it.';
comment on column sluice.jobs.attempt is 'How often it was started; 0 before the first time.';
comment on column sluice.jobs.lease_expires_at is
  'Until when its runner has it without another heartbeat. Null of a running job: whoever started it has it until its end.';
comment on column sluice.jobs.started_at is 'When the last attempt began.';

create index jobs_in_queue on sluice.jobs (workspace, priority desc, created_at, id) where status = 'queued';
create index jobs_on_lease on sluice.jobs (lease_expires_at) where status = 'running';
create index jobs_by_age on sluice.jobs (workspace, created_at desc, id desc);
create index jobs_by_end on sluice.jobs (ended_at) where ended_at is not null;

-- The parts. -------------------------------------------------------------------------------------------------------

create function sluice.check_attempt(job sluice.jobs, attempt int) returns void
language plpgsql immutable
as $$
begin
  if job.id is null then
    raise exception using errcode = 'SL010', message = 'there is no such job in this workspace';
  end if;
  if attempt <> job.attempt or job.ended_at is null and attempt is not null and job.status <> 'running' then
    raise exception using
      errcode = 'SL012',
      message = format('attempt %s does not have the lease of job %s', attempt, job.id),
      hint = 'Stop: the job belongs to another attempt, or waits for one.';
  end if;
  if job.ended_at is not null then
    raise exception using errcode = 'SL011', message = format('job %s has ended: %s', job.id, job.status);
  end if;
end
$$;

comment on function sluice.check_attempt is
  'Internal. Raises SL010 when there is no job, SL012 when attempt is given and does not have its lease, SL011 when it has ended.';

create function sluice.lock_job(workspace text, id uuid, attempt int) returns sluice.jobs
language plpgsql
as $$
declare
  job sluice.jobs;
begin
  select j.* into job from sluice.jobs j
  where j.id = lock_job.id and j.workspace = lock_job.workspace
  for no key update;
  perform sluice.check_attempt(job, lock_job.attempt);
  return job;
end
$$;

comment on function sluice.lock_job is
  'Internal. The job, whose status nobody else changes before the transaction ends. Raises as check_attempt does.';

create function sluice.append_locked(stream_ids bigint[], types text[], data json[], actors text[])
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql
as $$
#variable_conflict use_column
begin
  return query
  insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor)
  select n.stream_id, t.position + row_number() over (partition by n.stream_id order by n.place),
    t.at, gen_random_uuid(), n.type, n.data, n.actor
  from unnest(append_locked.stream_ids, append_locked.types, append_locked.data, append_locked.actors)
    with ordinality as n (stream_id, type, data, actor, place)
  join sluice.tails(append_locked.stream_ids) t on t.stream_id = n.stream_id
  order by n.place
  returning e.stream_id, e.position, e.event_id, e.at;
exception
  when unique_violation then perform sluice.refuse_snapshot();
end
$$;

comment on function sluice.append_locked is
  'Internal. Appends one event for each element of the arrays to streams that the transaction has locked and found open.';

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

  -- All but the return to the queue is news for the whole workspace.
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
  'Internal. Appends the event of the status that the job has now to its stream and to the feed of its workspace, closes the '
  'stream at the end, and returns both streams. reason: of a return to the queue.';

create function sluice.lease_end(started_at timestamptz, timeout_ms int, lease_ms int) returns timestamptz
language sql volatile
return least(
  clock_timestamp() + lease_ms * interval '1 millisecond',
  started_at + (timeout_ms + 30000) * interval '1 millisecond'
);

comment on function sluice.lease_end is
  'Internal. Until when a lease is good that is taken now: so long, but at most 30 s longer than the job may run, because a '
  'runner that keeps a job beyond its time does not watch over it.';

-- Entry points: each is one change with its events. They return the job as it is then, and the streams that have grown. ---

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
  'Puts a job into the queue of a workspace; or, with started, starts it for somebody who executes it without a runner: such '
  'a job has no lease and runs until its end.';

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
  set status = 'running', attempt = j.attempt + 1, runner = claim_job.runner, started_at = clock_timestamp(),
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
  'Takes the first job out of a queue: the highest priority, of these the oldest. projects and kinds narrow the choice; null '
  'does not. No row when there is none, or others are just taking what there is.';

create function sluice.heartbeat_job(workspace text, id uuid, attempt int, lease_ms int) returns timestamptz
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  job sluice.jobs := sluice.lock_job(heartbeat_job.workspace, heartbeat_job.id, heartbeat_job.attempt);
  expires timestamptz := sluice.lease_end(job.started_at, job.timeout_ms, heartbeat_job.lease_ms);
begin
  update sluice.jobs j set lease_expires_at = expires where j.id = heartbeat_job.id;
  return expires;
end
$$;

comment on function sluice.heartbeat_job is
  'Lengthens a lease and returns its end. One that has expired is good again, if nobody has taken note of that yet.';

create function sluice.append_job(
  workspace text, id uuid, attempt int, types text[], data text[], key text, fingerprint text, actor text
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
  perform sluice.check_attempt(job, append_job.attempt);

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

create function sluice.finish_job(workspace text, id uuid, attempt int, status text, result json, actor text)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
begin
  job := sluice.lock_job(finish_job.workspace, finish_job.id, finish_job.attempt);
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

create function sluice.requeue_job(workspace text, id uuid, attempt int, actor text)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
begin
  job := sluice.lock_job(requeue_job.workspace, requeue_job.id, requeue_job.attempt);
  update sluice.jobs j set status = 'queued', runner = null, lease_expires_at = null, started_at = null
  where j.id = requeue_job.id
  returning j.* into job;
  streams := sluice.record(job, requeue_job.actor, 'handed-back');
  return next;
end
$$;

comment on function sluice.requeue_job is
  'Hands a job back to its queue, at its old place. Never interrupts it, however many attempts it has had.';

create function sluice.expire_lease()
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '100ms'
as $$
declare
  expired uuid;
  its_workspace text;
  stuck text[] := '{}';
begin
  for expired, its_workspace in
    select j.id, j.workspace from sluice.jobs j
    where j.status = 'running' and j.lease_expires_at < clock_timestamp()
    order by j.lease_expires_at
    for update skip locked
  loop
    continue when its_workspace = any (stuck);
    begin
      update sluice.jobs j
      set status = case when j.attempt < j.max_attempts then 'queued' else 'interrupted' end,
        ended_at = case when j.attempt < j.max_attempts then null else clock_timestamp() end,
        runner = case when j.attempt < j.max_attempts then null else j.runner end,
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

comment on function sluice.expire_lease is
  'Takes one job from a runner whose lease has expired: back to its queue, or interrupted after the last of its attempts. '
  'Call it until it returns no row. Any number of sessions may.';

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
    -- The oldest first, with the base following, so that a reader is told where it stands.
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
  'Removes jobs that ended longer than keep ago, with their streams, at most at_most events at a time. Call it until it '
  'returns 0. It also returns 0 when another session is at it.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
