-- Up Migration

-- What a function does must not depend on the settings of the session that calls it: those of a role, of a database, of an
-- application. So every function in PL/pgSQL pins what names mean, how plans are made and how values are read and written
-- as text. A function in SQL with a body that the server parsed when it was made (RETURN …) depends on none of them.
--
-- Plans: `enable_seqscan = off` adds 1e10 to the cost of a plan that cannot do without a scan, and JIT compiles what is
-- expensive, so `jit` is off. Behind row-level security only a comparison that cannot leak may use an index: of columns
-- and parameters, without a cast, COALESCE or subscript in between.

-- A setting costs each call about a microsecond, so a function pins those that can matter to it.

create function sluice.pin_functions() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  target record;
begin
  for target in
    select p.oid::regprocedure as name, p.prosrc as body, 'interval'::regtype = any (p.proargtypes::oid[]) as has_interval
    from pg_proc p
    join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'sluice'::regnamespace and l.lanname = 'plpgsql'
    order by p.oid
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', target.name);
    -- Statements on tables.
    if target.body ~* '\m(from|into|update|execute)\M' then
      execute format('alter function %s set jit = off set plan_cache_mode = force_generic_plan set enable_seqscan = off '
        'set enable_indexscan = on set enable_nestloop = on set row_security = on', target.name);
    end if;
    -- Names in statements that are put together.
    if target.body ~* '\m(execute|regclass|regnamespace)\M' then
      execute format('alter function %s set quote_all_identifiers = off', target.name);
    end if;
    -- What a backslash in a literal means.
    if strpos(target.body, chr(92)) > 0 then
      execute format('alter function %s set standard_conforming_strings = on', target.name);
    end if;
    -- The text of rows of an application, and how it is handed over.
    if target.body ~ 'sluice\.change' then
      execute format('alter function %s set timezone = ''UTC'' set datestyle = ''ISO, MDY'' set intervalstyle = postgres '
        'set bytea_output = hex set extra_float_digits = 1 set lc_monetary = ''C'' set array_nulls = on', target.name);
    end if;
    -- How long a day is.
    if target.has_interval then
      execute format('alter function %s set timezone = ''UTC''', target.name);
    end if;
  end loop;
end
$$;

comment on function sluice.pin_functions is
  'Internal: pins the settings of all functions. Called after migrations, which make functions without them.';

-- Probes where there were scans. -----------------------------------------------------------------------------------

-- The planner may answer an EXISTS by reading all streams at once; a scalar subquery is always a probe.
alter policy own_workspace on sluice.events using (
  (select coalesce(current_setting('sluice.workspace', true), '') = '' and current_user <> 'sluice_request')
  or (select s.id from sluice.streams s where s.id = stream_id) is not null
);

-- As before, but for the stream and the holder of a key.
create or replace function sluice.append_requests(
  workspaces text[], streams text[], actors text[], keys text[], fingerprints text[],
  request_of int[], types text[], data text[]
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

  -- Claims the keys. Another transaction that holds one is waited for here, before any stream is locked. A key that
  -- exists is locked without being written (the WHERE is false), so that it cannot expire meanwhile.
  if exists (select from unnest(keys) as u (key) where u.key is not null) then
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    select distinct on (r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C")
      r.workspace, coalesce(r.actor, ''), r.key, coalesce(r.fingerprint, ''), clock_timestamp()
    from unnest(workspaces, actors, keys, fingerprints) with ordinality as r (workspace, actor, key, fingerprint, request)
    where r.key is not null
    order by r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C", r.request
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
  end if;

  ids := sluice.lock_streams(workspaces, streams);

  begin
    return query
    with
    -- What a probe behind row-level security compares must be columns: no COALESCE, no subscript.
    named as materialized (
      select
        r.request, r.workspace, coalesce(r.actor, '') as holder, r.actor, r.key, coalesce(r.fingerprint, '') as fingerprint,
        ids[r.request] as stream_id
      from unnest(workspaces, actors, keys, fingerprints)
        with ordinality as r (workspace, actor, key, fingerprint, request)
    ),
    -- A key without a result was claimed above; the first request that carries it owns it, others follow its fate.
    asked as materialized (
      select
        r.request::int as request, r.workspace, r.holder, r.actor, r.key, r.stream_id,
        k.stream_id as known_stream_id, k.first_position, k.event_ids, k.at,
        case when r.key is null then r.request
             else min(r.request) over (partition by r.workspace, r.holder, r.key) end as owner,
        case when k.fingerprint <> r.fingerprint then 'idempotency-key-reused'
             when k.event_ids is null and s.closed_at is not null then 'stream-closed' end as refused
      from named r
      cross join lateral (
        select s.closed_at from sluice.streams s where s.id = r.stream_id limit 1
      ) s
      left join lateral (
        select k.* from sluice.idempotency_keys k
        where k.workspace = r.workspace and k.actor = r.holder and k.key = r.key limit 1
      ) k on true
    ),
    placed as materialized (
      select
        a.request, a.key, a.stream_id, t.at, gen_random_uuid() as event_id, e.type, e.data, a.actor,
        t.position + row_number() over (partition by a.stream_id order by a.request, e.place) as position
      from unnest(request_of, types, data) with ordinality as e (request, type, data, place)
      join asked a on a.request = e.request
      join sluice.tails(ids) t on t.stream_id = a.stream_id
      where a.owner = a.request and a.event_ids is null and a.refused is null
    ),
    stored as (
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor)
      select p.stream_id, p.position, p.at, p.event_id, p.type, p.data::json, p.actor from placed p
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
    -- What was refused may be tried again with the same key.
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

create or replace function sluice.forget_keys(keep interval, at_most int) returns bigint
language plpgsql security definer
as $$
declare
  -- A comparison with clock_timestamp() itself, which is volatile, uses no index.
  cutoff timestamptz := clock_timestamp() - keep;
  removed bigint;
begin
  -- SKIP LOCKED: a key that a publish is using right now stays for the next time.
  delete from sluice.idempotency_keys k
  where k.ctid = any (array(
    select o.ctid from sluice.idempotency_keys o
    where o.created_at < cutoff
    order by o.created_at limit at_most
    for update skip locked
  ));
  get diagnostics removed = row_count;
  return removed;
end
$$;

create or replace function sluice.expire_lease()
returns table (job sluice.jobs, streams bigint[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '100ms'
as $$
declare
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
