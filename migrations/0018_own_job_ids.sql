-- Up Migration

-- Jobs may have ids that the application chooses.
--
-- Invariant: a job has one name: its id in the API, in the name of its stream (job:<name>) and in the data of its events. It is
-- the id that its creator chose, or else the text of its UUID. It is unique in its workspace, and case-sensitive. The UUID is
-- the key of the row and breaks ties in orders; clients never see it where the job has an id of its own.
--
-- The column id stays a UUID, because gateways from before this migration run on beside it: their prepared statements read it,
-- and a changed type would make these fail. The functions that took a UUID still do, as wrappers. Such gateways know jobs by
-- UUID only, so they claim none that has a name of its own.

create function sluice.is_job_id(id text) returns boolean
language sql immutable
return id ~ '^[A-Za-z0-9._:-]+$' and octet_length(id) <= 128 and id not in ('.', '..');

comment on function sluice.is_job_id is
  'Whether a job may have this id: 1 to 128 of A-Z a-z 0-9 . _ : -, but neither . nor .., which a URL cannot name.';

create or replace function sluice.is_stream(name text) returns boolean
language sql immutable
return name ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]*$'
  and octet_length(name) <= case when starts_with(name, 'job:') then 132 else 128 end;

comment on function sluice.is_stream is
  'Whether this is the name of a stream: 1 to 128 of A-Z a-z 0-9 . _ : / - that start with a letter or a digit. The name of a '
  'job''s stream is job: and an id of up to 128.';

alter table sluice.jobs add column name text collate "C" check (sluice.is_job_id(name));
update sluice.jobs set name = id;
alter table sluice.jobs alter column name set not null;
create unique index jobs_by_name on sluice.jobs (workspace, name);

comment on column sluice.jobs.id is 'The key of the row. Clients know the job by its name.';
comment on column sluice.jobs.name is 'The id of the job in the API: the id that its creator chose, or else the text of its UUID.';

-- The parts of a change. ----------------------------------------------------------------------------------------------

create or replace function sluice.check_attempt(job sluice.jobs, attempt int, holder text default null) returns void
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
      message = format('the caller does not have the lease of job %s', job.name),
      hint = 'Stop: the job belongs to another attempt or runner, or waits for one.';
  end if;
  if job.ended_at is not null then
    raise exception using errcode = 'SL011', message = format('job %s has ended: %s', job.name, job.status);
  end if;
end
$$;

drop function sluice.lock_job(text, uuid, int, text);

create function sluice.lock_job(workspace text, id text, attempt int, holder text default null) returns sluice.jobs
language plpgsql
as $$
declare
  job sluice.jobs;
begin
  select j.* into job from sluice.jobs j
  where j.workspace = lock_job.workspace and j.name = lock_job.id
  for no key update;
  perform sluice.check_attempt(job, lock_job.attempt, lock_job.holder);
  return job;
end
$$;

comment on function sluice.lock_job is
  'Internal. Locks and returns the job of this name: no other transaction changes its status until this one ends. Raises what '
  'check_attempt raises.';

create or replace function sluice.record(job sluice.jobs, actor text, reason text default null) returns bigint[]
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
      from (select job.name as job_id, job.kind, job.project, job.title, job.priority) d;
    when 'job.started' then
      select row_to_json(d) into data from (select job.name as job_id, job.attempt, job.runner) d;
    when 'job.requeued' then
      select row_to_json(d) into data from (select job.name as job_id, job.attempt, record.reason) d;
    else
      select row_to_json(d) into data from (select job.name as job_id, job.status, job.result, job.attempt) d;
  end case;

  -- Every change but the return to the queue goes to the feed of the workspace too.
  ids := sluice.lock_streams(
    array[job.workspace] || case when type <> 'job.requeued' then array[job.workspace] end,
    array['job:' || job.name] || case when type <> 'job.requeued' then array['feed'] end
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

-- Entry points. ---------------------------------------------------------------------------------------------------------

drop function sluice.create_job(text, text, text, text, json, int, int, int, boolean, text);

create function sluice.create_job(
  workspace text, kind text, project text, title text, payload json, priority int, max_attempts int, timeout_ms int,
  started boolean, actor text, id text default null, key text default null, fingerprint text default null
)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '2s'
as $$
declare
  row_id uuid := gen_random_uuid();
  its_name text := coalesce(create_job.id, row_id::text);
  stream_id bigint;
  known sluice.idempotency_keys;
begin
  perform sluice.check_names(create_job.workspace, 'feed');
  if not sluice.is_job_id(create_job.id) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid job: %L is not an id', left(create_job.id, 200)),
      detail = 'The id of a job is 1 to 128 characters out of A-Z a-z 0-9 . _ : -, but neither . nor ...';
  end if;
  if create_job.key is not null then
    -- As in append_job.
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    values (create_job.workspace, create_job.actor, create_job.key, create_job.fingerprint, clock_timestamp())
    on conflict on constraint idempotency_keys_pkey do update set key = excluded.key where false;
    select k.* into known from sluice.idempotency_keys k
    where k.workspace = create_job.workspace and k.actor = create_job.actor and k.key = create_job.key;
    if known.fingerprint <> create_job.fingerprint then
      raise exception using errcode = 'SL014', message = 'this idempotency key was used for another request';
    end if;
    if known.event_ids is not null then
      select substr(s.name, 5) into its_name from sluice.streams s where s.id = known.stream_id;
      select j.* into job from sluice.jobs j where j.workspace = create_job.workspace and j.name = its_name;
      if job.id is null then
        raise exception using errcode = 'SL010', message = 'the job that this idempotency key created was deleted';
      end if;
      streams := '{}';
      return next;
      return;
    end if;
  end if;

  insert into sluice.streams as s (workspace, name, kind) values (create_job.workspace, 'job:' || its_name, 'job')
  on conflict on constraint streams_workspace_name_key do nothing
  returning s.id into stream_id;
  if stream_id is null then
    raise exception using
      errcode = 'SL015',
      message = format('the workspace %L has a job %L already', create_job.workspace, create_job.id);
  end if;
  insert into sluice.jobs as j
    (id, name, workspace, stream_id, kind, project, title, payload, priority, max_attempts, timeout_ms, created_by)
  values
    (row_id, its_name, create_job.workspace, stream_id, create_job.kind, create_job.project, create_job.title,
     create_job.payload, create_job.priority, create_job.max_attempts, create_job.timeout_ms, create_job.actor)
  returning j.* into job;
  streams := sluice.record(job, create_job.actor);
  if create_job.started then
    update sluice.jobs j set status = 'running', attempt = 1, started_at = clock_timestamp()
    where j.id = job.id
    returning j.* into job;
    perform sluice.record(job, create_job.actor);
  end if;
  if create_job.key is not null then
    update sluice.idempotency_keys k
    set stream_id = e.stream_id, first_position = 1, event_ids = array[e.event_id], at = e.at
    from sluice.events e
    where k.workspace = create_job.workspace and k.actor = create_job.actor and k.key = create_job.key
      and e.stream_id = job.stream_id and e.position = 1;
  end if;
  return next;
end
$$;

comment on function sluice.create_job is
  'Puts a job into the queue of a workspace; or, with started, starts it for a caller that executes it without a runner. Such '
  'a job has no lease and runs until it is ended. id: its own id; null for a UUID. SL015: the workspace has a job of this id. '
  'With a key, a repeated request returns the job that the first one created, as it is now, and streams is empty.';

create function sluice.append_job(
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

  perform sluice.check_type(t.type) from (select distinct u.type from unnest(types) as u (type)) t;
  if exists (select from unnest(types) as u (type) where starts_with(u.type, 'job.')) then
    raise exception using
      errcode = 'SL002',
      message = 'invalid event: types that start with job. report the status of a job, and only the gateway publishes them';
  end if;
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

comment on function sluice.append_job(text, text, int, text[], text[], text, text, text, text) is
  'Appends events to the stream of a job that has not ended. attempt: the attempt of the runner that sends them, which must '
  'have the lease; null for other callers. With a key, a repeated request returns what the first one stored.';

create function sluice.finish_job(
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
  if finish_job.status not in ('completed', 'failed', 'cancelled') or job.status = 'queued' and finish_job.status <> 'cancelled' then
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
  'Ends a job: as completed or failed if it runs, or as cancelled. attempt: the attempt of its runner; null for other callers.';

drop function sluice.claim_job(text, text[], text[], text, int, text);

create function sluice.claim_job(
  workspace text, projects text[], kinds text[], runner text, lease_ms int, actor text, own_ids boolean default false
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
  'not. own_ids: whether the caller knows jobs by their names; a gateway from before does not, and gets none with an id of its '
  'own. No row when there is no job, or when other callers are taking the only ones.';

create function sluice.heartbeat_job(workspace text, id text, attempt int, lease_ms int, holder text default null) returns timestamptz
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
  update sluice.jobs j set lease_expires_at = expires where j.id = job.id;
  return expires;
end
$$;

comment on function sluice.heartbeat_job(text, text, int, int, text) is
  'Extends a lease and returns its new end. An expired lease is valid again if expire_lease has not taken the job yet.';

create function sluice.requeue_job(workspace text, id text, attempt int, actor text, holder text default null)
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
  where j.id = job.id
  returning j.* into job;
  streams := sluice.record(job, requeue_job.actor, 'handed-back');
  return next;
end
$$;

comment on function sluice.requeue_job(text, text, int, text, text) is
  'Returns a job to its old place in the queue. Never interrupts it, however many attempts it has had.';

-- For gateways from before: statements that they prepared pass a UUID. ---------------------------------------------------

create or replace function sluice.append_job(
  workspace text, id uuid, attempt int, types text[], data text[], key text, fingerprint text, actor text,
  holder text default null
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz, replayed boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return query select c.* from sluice.append_job($1, $2::text, $3, $4, $5, $6, $7, $8, $9) c;
end
$$;

comment on function sluice.append_job(text, uuid, int, text[], text[], text, text, text, text) is
  'Deprecated. As the function that takes a name.';

create or replace function sluice.finish_job(
  workspace text, id uuid, attempt int, status text, result json, actor text, holder text default null
)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return query select c.* from sluice.finish_job($1, $2::text, $3, $4, $5, $6, $7) c;
end
$$;

comment on function sluice.finish_job(text, uuid, int, text, json, text, text) is
  'Deprecated. As the function that takes a name.';

create or replace function sluice.heartbeat_job(workspace text, id uuid, attempt int, lease_ms int, holder text default null) returns timestamptz
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return (select sluice.heartbeat_job($1, $2::text, $3, $4, $5));
end
$$;

comment on function sluice.heartbeat_job(text, uuid, int, int, text) is
  'Deprecated. As the function that takes a name.';

create or replace function sluice.requeue_job(workspace text, id uuid, attempt int, actor text, holder text default null)
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return query select c.* from sluice.requeue_job($1, $2::text, $3, $4, $5) c;
end
$$;

comment on function sluice.requeue_job(text, uuid, int, text, text) is
  'Deprecated. As the function that takes a name.';

revoke all on all functions in schema sluice from public;
