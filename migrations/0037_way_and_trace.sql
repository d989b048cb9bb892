-- Up Migration

-- How each event was published, and the trace that it belongs to.
--
-- Both columns are null for events from before: unknown. Adding them reads and rewrites no row. No client reads the way; a client
-- that may read an event reads its traceparent.

alter table sluice.events add column way text;
alter table sluice.events add column traceparent text;

comment on column sluice.events.way is
  'How it was published: http, engine (in a program, without HTTP), item (a change of an item), job (a change of a job''s status), '
  'runner (a report on a job), sql, watch (a change of a watched table), backfill, system (by Sluice itself). Null: unknown.';
comment on column sluice.events.traceparent is
  'The trace in which it was published (https://www.w3.org/TR/trace-context/), if its publisher named one. Null after redaction and '
  'after compaction.';

-- A row that does not say how it was published comes from the trigger of a watched table.
alter table sluice.pending add column way text default 'watch';
alter table sluice.pending add column traceparent text;

create function sluice.checked_traceparent(given text) returns text
language sql immutable
return case
  -- Of a later version only these fields are known. Version 00 has no others.
  when given ~ '^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$|(?!00|ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-|$))'
    and substr(given, 4, 32) <> repeat('0', 32) and substr(given, 37, 16) <> repeat('0', 16)
  then '00' || substr(given, 3, 53)
end;

comment on function sluice.checked_traceparent is
  'The traceparent, as version 00, or null if it is invalid: the trace of a caller must not fail its transaction.';

create function sluice.current_traceparent() returns text
language sql stable
return sluice.checked_traceparent(current_setting('sluice.traceparent', true));

comment on function sluice.current_traceparent is
  'The traceparent that the transaction has in its setting sluice.traceparent; null if it has none, or an invalid one.';

alter table sluice.jobs add column traceparent text;
alter table sluice.jobs alter column traceparent set default sluice.current_traceparent();
comment on column sluice.jobs.traceparent is
  'The trace in which it was created. Its events belong to it too, and its runner gets it.';

create or replace function sluice.forget_attributes() returns trigger
language plpgsql
as $$
begin
  new.attributes := null;
  new.traceparent := null;
  return new;
end
$$;

comment on function sluice.forget_attributes is
  'Internal. An event that loses its data loses its attributes too: a subject may say as much as the data. It also loses its trace, '
  'which leads to what other systems have recorded of it.';

create function sluice.committed_at(stream_id bigint, "position" bigint) returns timestamptz
language plpgsql stable security definer
as $$
#variable_conflict use_column
begin
  if current_setting('track_commit_timestamp') <> 'on' then
    return null;
  end if;
  return (
    select pg_xact_commit_timestamp(e.xmin) from sluice.events e
    where e.stream_id = committed_at.stream_id and e.position = committed_at.position
      -- Another transaction has written the row since.
      and e.redacted_at is null and e.type <> 'event.compacted'
  );
end
$$;

comment on function sluice.committed_at is
  'When the transaction that stored the event was committed; after a restore of a dump, the restore. Null if that is unknown: '
  'Postgres records it only with track_commit_timestamp = on, not for ever, and not for a redacted or compacted event.';

-- Functions get new arguments, whose defaults let older gateways and other programs call them as before. Two functions of one name
-- would make GRANT ambiguous, so the old one goes, unless a view, a policy or the like of an application depends on it: then it gets
-- another name, which the dependent object follows.
do $$
declare
  old record;
  grants text := '';
begin
  for old in
    select p.oid, p.oid::regprocedure as signature, p.proname as name, p.proacl, p.proowner from pg_proc p
    where p.oid in ('sluice.publish(text, text, text, json, text)'::regprocedure, 'sluice.append(text, text, text, json, text)'::regprocedure)
  loop
    grants := grants || coalesce((
      select string_agg(format('grant execute on function sluice.%s to %s%s;', old.name, a.grantee::regrole,
        case when a.is_grantable then ' with grant option' else '' end), ' ')
      from aclexplode(old.proacl) a where a.grantee <> 0 and a.grantee <> old.proowner
    ), '');
    if exists (select from pg_depend d where d.refclassid = 'pg_proc'::regclass and d.refobjid = old.oid) then
      execute format('alter function %s rename to %I', old.signature, old.name || '_without_trace');
    else
      execute format('drop function %s', old.signature);
    end if;
  end loop;
  perform set_config('sluice.grants', grants, true);
end
$$;

drop function sluice.enqueue(text, text, text, json, text, regclass);
create function sluice.enqueue(
  workspace text, stream text, type text, data json, actor text, watched regclass default null, traceparent text default null
)
returns uuid
language plpgsql
as $$
#variable_conflict use_column
declare
  stream_id bigint;
  id uuid;
begin
  perform sluice.check_names(enqueue.workspace, enqueue.stream, watched => enqueue.watched);
  perform sluice.check_type(enqueue.type);
  perform sluice.check_data(enqueue.data, enqueue.watched);
  -- Fails early if the refusal can be seen already. What changes until COMMIT is checked there.
  select s.id into stream_id from sluice.streams s where s.workspace = enqueue.workspace and s.name = enqueue.stream;
  if found then
    perform sluice.refuse_closed(array[stream_id]);
  elsif enqueue.stream <> 'feed' and sluice.stream_room(enqueue.workspace) = 0 then
    perform sluice.refuse_streams(enqueue.workspace);
  end if;
  insert into sluice.pending (workspace, stream, type, data, actor, way, traceparent)
  values (enqueue.workspace, enqueue.stream, enqueue.type, enqueue.data, enqueue.actor,
    case when enqueue.watched is null then 'sql' else 'watch' end, enqueue.traceparent)
  returning event_id into id;
  return id;
end
$$;

comment on function sluice.enqueue is
  'Internal. Publishes. watched: the table whose change this is, for messages.';

create function sluice.publish(
  workspace text, stream text, type text, data json, actor text default null, traceparent text default null
)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return sluice.enqueue(workspace, stream, type, data, actor, traceparent => sluice.checked_traceparent(traceparent));
end
$$;

comment on function sluice.publish is
  'Publishes an event together with the calling transaction, when that commits. Returns the event''s UUID; its position is known at '
  'COMMIT. data: a JSON object of at most 256 KiB and 64 levels. traceparent: the trace that the event belongs to; an invalid one is '
  'ignored, and the default is the setting sluice.traceparent at COMMIT. Wakes the gateways with a NOTIFY unless sluice.notify is '
  '''off''; then they find the event at their next poll. SL001: the stream is closed, at the call or at COMMIT. SL002: invalid event. '
  '40001, under REPEATABLE READ and above: retry. '
  'Grant: grant usage on schema sluice to app; grant execute on function sluice.publish to app;';

create or replace function sluice.append_pending() returns trigger
language plpgsql security definer
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
  ids bigint[];
  woken bigint[];
  transactions_trace text := sluice.current_traceparent();
begin
  if told <> '' then
    perform set_config('sluice.workspace', '', true);
  end if;
  -- Called for the first event of each statement. The first call appends all of them, so the others find theirs gone.
  if exists (
    select from sluice.pending p where p.transaction_id = new.transaction_id and p.ordinal = new.ordinal
  ) then
    ids := sluice.lock_pending(new.transaction_id);

    begin
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor, way, traceparent)
      select t.stream_id,
        t.position + row_number() over (partition by t.stream_id order by coalesce(p.turn, p.ordinal), p.ordinal),
        t.at, p.event_id, p.type, p.data, p.actor,
        case when p.workspace = '$system' then 'system' else p.way end, coalesce(p.traceparent, transactions_trace)
      from sluice.pending p
      cross join lateral (
        select s.id from sluice.streams s where s.workspace = p.workspace and s.name = p.stream limit 1
      ) s
      join sluice.tails(ids) t on t.stream_id = s.id
      where p.transaction_id = new.transaction_id;
    exception
      when unique_violation then perform sluice.refuse_snapshot();
    end;
    delete from sluice.pending p where p.transaction_id = new.transaction_id;

    select array_agg(s.id) into woken from sluice.streams s where s.id = any (ids) and s.workspace <> '$system';
    perform sluice.wake(woken);
  end if;
  if told <> '' then
    perform set_config('sluice.workspace', told, true);
  end if;
  return null;
end
$$;

create or replace function sluice.publish_backfilled(
  target regclass, run text, reached text[], last text[], type text, fixed boolean, workspaces text[], streams text[], data text[]
)
returns bigint
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  published bigint := 0;
  part record;
begin
  perform sluice.refuse_others_table(target);
  perform sluice.check_type(publish_backfilled.type);
  -- As sluice.publish_row does it for changes.
  if fixed and cardinality(publish_backfilled.data) > 0 then
    perform sluice.check_target(workspaces[1], streams[1]);
  end if;
  for part in
    with found as materialized (
      select f.workspace, f.stream, f.data, f.place
      from unnest(workspaces, streams, publish_backfilled.data) with ordinality as f (workspace, stream, data, place)
      where f.workspace is not null and f.stream is not null
    ),
    targets as materialized (
      select t.workspace, t.stream, sluice.why_unpublished(t.workspace, t.stream) as reason
      from (select distinct f.workspace, f.stream from found f) t
    ),
    stored as (
      insert into sluice.pending (workspace, stream, type, data, leads, watched, way)
      select f.workspace, f.stream, publish_backfilled.type, sluice.row_data(f.data, null, 'none', target)::json,
        row_number() over (order by f.place) = 1, case when not fixed then target::oid end, 'backfill'
      from found f join targets t on t.workspace = f.workspace and t.stream = f.stream
      where t.reason is null order by f.place
    )
    select t.reason, min(case t.reason when 'workspace' then t.workspace else t.stream end) as value, count(*) as amount
    from found f join targets t on t.workspace = f.workspace and t.stream = f.stream
    group by t.reason
  loop
    if part.reason is null then
      published := part.amount;
    else
      perform sluice.note_unpublished(target, part.reason, part.value, part.amount);
    end if;
  end loop;
  update sluice.backfills b
  set reached = publish_backfilled.reached, last = publish_backfilled.last, rows = b.rows + published,
    ended_at = case when publish_backfilled.reached is not distinct from publish_backfilled.last then clock_timestamp() end
  where b.table_id = target and b.run = publish_backfilled.run;
  return published;
end
$$;

create function sluice.append(
  workspace text, stream text, type text, data json, actor text default null, traceparent text default null,
  -- A gateway that does not know this argument sets the workspace of its transactions. An application does not.
  way text default case when coalesce(current_setting('sluice.workspace', true), '') = '' then 'sql' end
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  locked bigint;
begin
  perform sluice.check_names(append.workspace, append.stream, system => true);
  perform sluice.check_type(append.type, system => append.workspace = '$system');
  perform sluice.check_data(append.data);

  -- The fast path for one existing stream. It reads the tail as sluice.tails does.
  select s.id into locked from sluice.streams s
  where s.workspace = append.workspace and s.name = append.stream for no key update;
  if not found then
    locked := (sluice.lock_streams(array[append.workspace], array[append.stream]))[1];
  end if;
  perform sluice.refuse_closed(array[locked]);
  begin
    return query
    insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor, way, traceparent)
    select s.id, coalesce(l.position, s.base_position) + 1, greatest(l.at, s.base_at, clock_timestamp()),
      gen_random_uuid(), append.type, append.data, append.actor,
      case when append.workspace = '$system' then 'system' else append.way end,
      coalesce(sluice.checked_traceparent(append.traceparent), sluice.current_traceparent())
    from sluice.streams s
    left join lateral (
      select l.position, l.at from sluice.events l where l.stream_id = s.id order by l.position desc limit 1
    ) l on true
    where s.id = locked
    returning e.stream_id, e.position, e.event_id, e.at;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
end
$$;

comment on function sluice.append is
  'Appends one event at once and returns its place. The stream stays locked until the transaction ends, so commit '
  'soon; a transaction that has more work to do calls sluice.publish instead. Sends no NOTIFY. SL001: the stream '
  'is closed. SL002: invalid event. 40001: retry.';

do $$
begin
  execute current_setting('sluice.grants');
end
$$;

drop function sluice.append_locked(bigint[], text[], json[], text[]);
create function sluice.append_locked(
  stream_ids bigint[], types text[], data json[], actors text[], way text default 'system', traceparent text default null
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql
as $$
#variable_conflict use_column
begin
  return query
  insert into sluice.events as e (stream_id, position, at, event_id, type, data, actor, way, traceparent)
  select n.stream_id, t.position + row_number() over (partition by n.stream_id order by n.place),
    t.at, gen_random_uuid(), n.type, n.data, n.actor, append_locked.way, append_locked.traceparent
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
  'Internal. Appends one event for each element of the arrays, all of them published in one way and one trace. The transaction must '
  'have locked the streams and found them open.';

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
    array(select actor from unnest(ids)), 'job', job.traceparent);
  if job.ended_at is not null then
    perform sluice.close_stream(job.stream_id);
  end if;
  return ids;
end
$$;

create or replace function sluice.append_job(
  workspace text, id text, attempt int, types text[], data text[], key text, fingerprint text, actor text, holder text default null
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz, replayed boolean)
language plpgsql security definer
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
      array(select ids[1] from unnest(types)), types, data::json[], array(select append_job.actor from unnest(types)),
      'runner', coalesce(sluice.current_traceparent(), job.traceparent)
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

create function sluice.append_requests(
  workspaces text[], streams text[], actors text[], keys text[], fingerprints text[],
  request_of int[], types text[], data text[], attributes text[], ways text[], traceparents text[]
)
returns table (
  request int, stream_id bigint, "position" bigint, event_id uuid, at timestamptz, refused text, replayed boolean
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
-- One transaction that keeps its stream locked must not hold up the gateway's publishers to all others.
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  ids bigint[];
begin
  if array(select distinct r from unnest(request_of) r order by r) is distinct from
     array(select generate_series(1, cardinality(workspaces))) then
    raise exception using
      errcode = 'SL002',
      message = 'invalid event: request_of must name each request at least once, and no other';
  end if;
  perform sluice.check_names(r.workspace, r.stream)
  from (select distinct u.workspace, u.stream from unnest(workspaces, streams) as u (workspace, stream)) r;
  perform sluice.check_type(e.type) from (select distinct u.type from unnest(types) as u (type)) e;
  if exists (
    select from unnest(attributes) as u (attributes)
    where octet_length(u.attributes) > 16384 or json_typeof(u.attributes::json) <> 'object'
  ) then
    raise exception using
      errcode = 'SL002', message = 'invalid event: its attributes are no JSON object, or longer than 16384 bytes';
  end if;

  -- Claims the keys. This waits for another transaction that holds one, before any stream is locked. A key that exists is
  -- locked and not written (the WHERE is false), so it cannot expire meanwhile.
  if exists (select from unnest(keys) as u (key) where u.key is not null) then
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    select distinct on (r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C")
      r.workspace, coalesce(r.actor, ''), r.key, coalesce(r.fingerprint, ''), clock_timestamp()
    from unnest(workspaces, actors, keys, fingerprints) with ordinality as r (workspace, actor, key, fingerprint, request)
    where r.key is not null
    order by r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C", r.request
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
  end if;

  ids := sluice.lock_streams(workspaces, streams, leaves_out => true);

  begin
    return query
    with
    -- Behind row-level security an index probe must compare plain columns: no COALESCE, no subscript.
    named as materialized (
      select
        r.request, r.workspace, coalesce(r.actor, '') as holder, r.actor, r.key, coalesce(r.fingerprint, '') as fingerprint,
        ids[r.request] as stream_id, r.way
      from unnest(workspaces, actors, keys, fingerprints, ways)
        with ordinality as r (workspace, actor, key, fingerprint, way, request)
    ),
    -- A key without a result was claimed above. The first request that carries it owns it; the others share its outcome.
    asked as materialized (
      select
        r.request::int as request, r.workspace, r.holder, r.actor, r.key, r.stream_id, r.way,
        k.stream_id as known_stream_id, k.first_position, k.event_ids, k.at,
        case when r.key is null then r.request
             else min(r.request) over (partition by r.workspace, r.holder, r.key) end as owner,
        case when k.fingerprint <> r.fingerprint then 'idempotency-key-reused'
             when k.event_ids is null and r.stream_id is null then 'too-many-stored-streams'
             when k.event_ids is null and s.closed_at is not null then 'stream-closed' end as refused
      from named r
      left join lateral (
        select s.closed_at from sluice.streams s where s.id = r.stream_id limit 1
      ) s on true
      left join lateral (
        select k.* from sluice.idempotency_keys k
        where k.workspace = r.workspace and k.actor = r.holder and k.key = r.key limit 1
      ) k on true
    ),
    placed as materialized (
      select
        a.request, a.key, a.stream_id, t.at, gen_random_uuid() as event_id, e.type, e.data, e.attributes, a.actor, a.way,
        sluice.checked_traceparent(e.traceparent) as traceparent,
        t.position + row_number() over (partition by a.stream_id order by a.request, e.place) as position
      from unnest(request_of, types, data, attributes, traceparents)
        with ordinality as e (request, type, data, attributes, traceparent, place)
      join asked a on a.request = e.request
      join sluice.tails(ids) t on t.stream_id = a.stream_id
      where a.owner = a.request and a.event_ids is null and a.refused is null
    ),
    stored as (
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor, attributes, way, traceparent)
      select p.stream_id, p.position, p.at, p.event_id, p.type, p.data::json, p.actor, p.attributes::json, p.way, p.traceparent
      from placed p
      order by p.stream_id, p.position
    ),
    remembered as (
      update sluice.idempotency_keys k
      set stream_id = p.stream_id, first_position = p.first_position, event_ids = p.event_ids, at = p.at
      from asked a
      join (
        select p.request, p.stream_id, p.at, min(p.position) as first_position, array_agg(p.event_id order by p.position) as event_ids
        from placed p where p.key is not null group by p.request, p.stream_id, p.at
      ) p on p.request = a.request
      where k.workspace = a.workspace and k.actor = a.holder and k.key = a.key
    ),
    -- A refused request may be tried again with the same key.
    forgotten as (
      delete from sluice.idempotency_keys k
      using asked a
      where a.owner = a.request and a.event_ids is null and a.refused is not null
        and k.workspace = a.workspace and k.actor = a.holder and k.key = a.key
    )
    select a.request, p.stream_id, p.position, p.event_id, p.at, null, a.request <> a.owner
    from asked a join placed p on p.request = a.owner
    where a.refused is null
    union all
    select a.request, a.known_stream_id, a.first_position + known.place - 1, known.event_id, a.at, null, true
    from asked a cross join lateral unnest(a.event_ids) with ordinality as known (event_id, place)
    where a.refused is null
    union all
    select a.request, null, null, null, null, a.refused, false
    from asked a where a.refused is not null
    order by 1, 3;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
end
$$;

comment on function sluice.append_requests(text[], text[], text[], text[], text[], int[], text[], text[], text[], text[], text[]) is
  'The group commit of the gateway, which has validated the requests. The first five arrays and ways have one element per request, '
  'the others one per event; request_of is the place of the event''s request, and attributes are null except for CloudEvents.'
  ' An invalid traceparent is ignored. Each request is stored whole or refused (stream-closed, idempotency-key-reused, too-many-stored-streams), and the '
  'others are stored all the same. Sends no NOTIFY.';

create or replace function sluice.append_requests(
  workspaces text[], streams text[], actors text[], keys text[], fingerprints text[],
  request_of int[], types text[], data text[], attributes text[]
)
returns table (
  request int, stream_id bigint, "position" bigint, event_id uuid, at timestamptz, refused text, replayed boolean
)
language plpgsql security definer
set lock_timeout = '2s'
as $$
begin
  return query
  select * from sluice.append_requests(
    workspaces, streams, actors, keys, fingerprints, request_of, types, data, attributes, null, null
  );
end
$$;

comment on function sluice.append_requests(text[], text[], text[], text[], text[], int[], text[], text[], text[]) is
  'The same without ways and traceparents, for gateways of the version before.';

revoke all on all functions in schema sluice from public;
