-- Up Migration

-- Streams are not for ever, and not without number. A workspace has so many open-ended ones at most; those that have no
-- events and that nobody follows are removed; and retention goes to the streams that are due, by an index, instead of
-- looking at all of them. Jobs have streams too, which end and go with their job: they are not counted.

alter table sluice.streams
  add column used_at timestamptz not null default now(),
  add column oldest_at timestamptz not null default '-infinity';
alter table sluice.streams
  alter column used_at set default clock_timestamp(),
  alter column oldest_at set default clock_timestamp();

create index streams_due on sluice.streams (kind, oldest_at);

comment on column sluice.streams.used_at is
  'When the stream was made, was last found to be followed, or had its last events removed; a day late at most.';
comment on column sluice.streams.oldest_at is
  'No stored event is older, so retention need not look before this has expired. Appends do not change it.';

-- How many there are. ---------------------------------------------------------------------------------------------

create table sluice.limits (
  name text primary key,
  most bigint not null check (most >= 0)
);
insert into sluice.limits (name, most) values ('streams', 10000);

comment on table sluice.limits is
  'Limits that SQL keeps as well as the gateways, which write them here when they start. 0: any number. '
  'streams: open-ended streams of a workspace.';

-- One row for a workspace would let everybody who creates a stream wait for the transaction of everybody else who does. So a
-- transaction takes a row that nobody has locked, or makes another one, and waits for nobody; the sum of the rows counts.
create table sluice.stream_counts (
  id bigint generated always as identity primary key,
  workspace text collate "C" not null,
  streams bigint not null
);
create index on sluice.stream_counts (workspace);
select sluice.guard('sluice.stream_counts');

comment on table sluice.stream_counts is 'How many open-ended streams each workspace has: the sum of its rows.';

insert into sluice.stream_counts (workspace, streams)
select s.workspace, count(*) from sluice.streams s
where s.kind = 'feed' and s.workspace <> '$system'
group by s.workspace;

create function sluice.count_streams() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  part record;
  place bigint;
  left_over bigint;
begin
  for part in
    select m.workspace, count(*) * case tg_op when 'INSERT' then 1 else -1 end as streams
    from moved m where m.kind = 'feed' and m.workspace <> '$system'
    group by m.workspace
  loop
    place := null;
    -- To change a row that others have changed since, an old snapshot would fail.
    if current_setting('transaction_isolation') = 'read committed' then
      select c.id into place from sluice.stream_counts c where c.workspace = part.workspace limit 1 for update skip locked;
    end if;
    if place is null then
      insert into sluice.stream_counts (workspace, streams) values (part.workspace, part.streams);
    else
      update sluice.stream_counts c set streams = c.streams + part.streams where c.id = place returning c.streams into left_over;
      if left_over = 0 then
        delete from sluice.stream_counts c where c.id = place;
      end if;
    end if;
  end loop;
  return null;
end
$$;

comment on function sluice.count_streams is 'Internal. Counts the open-ended streams of each workspace.';

create trigger count_created after insert on sluice.streams
  referencing new table as moved for each statement execute function sluice.count_streams();
create trigger count_removed after delete on sluice.streams
  referencing old table as moved for each statement execute function sluice.count_streams();

create function sluice.stream_room(workspace text) returns bigint
language plpgsql
as $$
declare
  limited bigint;
  counted bigint;
begin
  select l.most into limited from sluice.limits l where l.name = 'streams';
  if coalesce(limited, 0) = 0 then
    return null;
  end if;
  select sum(c.streams) into counted from sluice.stream_counts c where c.workspace = stream_room.workspace;
  return greatest(limited - coalesce(counted, 0), 0);
end
$$;

comment on function sluice.stream_room is
  'Internal. How many more open-ended streams a workspace may create; null: any number. Transactions that create some at '
  'the same time do not see each other''s: together they may exceed the limit by what they create before they commit.';

create function sluice.refuse_streams(workspace text) returns void
language plpgsql
as $$
begin
  raise exception using
    errcode = 'SL004',
    message = format('the workspace %L has as many streams as it may', workspace),
    detail = format('It may have %s.', (select l.most from sluice.limits l where l.name = 'streams')),
    hint = 'Publish to a stream that exists. Streams go when they are empty and not followed; '
      'MAX_STORED_STREAMS_PER_WORKSPACE of the gateways sets the number.';
end
$$;

comment on function sluice.refuse_streams is 'Internal. Raises SL004.';

-- Creating and locking. -------------------------------------------------------------------------------------------

drop function sluice.lock_streams(text[], text[]);

create function sluice.lock_streams(workspaces text[], names text[], leaves_out boolean default false) returns bigint[]
language plpgsql
as $$
declare
  ids bigint[];
  locked bigint[];
begin
  loop
    -- Looked up first: an insert that meets its conflict would burn a number of the sequence. The scalar subqueries,
    -- here and below, are probes of the unique index that no planner turns into a scan of all streams.
    insert into sluice.streams (workspace, name, kind)
    select m.workspace, m.name, case m.workspace when '$system' then 'system' else 'feed' end
    from (
      select w.workspace, w.name, row_number() over (partition by w.workspace order by w.name collate "C") as nth
      from (select distinct u.workspace, u.name from unnest(workspaces, names) as u (workspace, name)) w
      where (select s.id from sluice.streams s where s.workspace = w.workspace and s.name = w.name) is null
    ) m
    -- Without its feed a workspace has neither items nor jobs.
    where m.name = 'feed' or m.workspace = '$system' or coalesce(m.nth <= sluice.stream_room(m.workspace), true)
    order by m.workspace collate "C", m.name collate "C"
    on conflict (workspace, name) do nothing;

    ids := array(
      select (select s.id from sluice.streams s where s.workspace = w.workspace and s.name = w.name)
      from unnest(workspaces, names) with ordinality as w (workspace, name, place)
      order by w.place
    );
    locked := array(select s.id from sluice.streams s where s.id = any (ids) order by s.id for no key update);
    -- One that retention has removed in this very moment, before it was locked, is made anew.
    exit when not exists (
      select from unnest(workspaces, names, ids) as w (workspace, name, id)
      where case
        when w.id is not null then w.id <> all (locked)
        else w.name = 'feed' or w.workspace = '$system' or coalesce(sluice.stream_room(w.workspace) > 0, true)
      end
    );
  end loop;
  if not leaves_out and array_position(ids, null) is not null then
    perform sluice.refuse_streams(workspaces[array_position(ids, null)]);
  end if;
  return ids;
end
$$;

comment on function sluice.lock_streams is
  'Internal. Creates the streams that are missing, locks all in ascending id, returns the ids in the order of the arguments. '
  'Where a workspace may not create another one: raises SL004, or with leaves_out returns null in its place.';

create or replace function sluice.ensure_stream(workspace text, stream text, kind text default 'feed') returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  id bigint;
begin
  perform sluice.check_names(ensure_stream.workspace, ensure_stream.stream, system => true);
  loop
    select s.id into id from sluice.streams s
    where s.workspace = ensure_stream.workspace and s.name = ensure_stream.stream;
    exit when found;
    if ensure_stream.kind = 'feed' and ensure_stream.stream <> 'feed' and ensure_stream.workspace <> '$system'
      and sluice.stream_room(ensure_stream.workspace) = 0 then
      perform sluice.refuse_streams(ensure_stream.workspace);
    end if;
    insert into sluice.streams (workspace, name, kind)
    values (ensure_stream.workspace, ensure_stream.stream, ensure_stream.kind)
    on conflict (workspace, name) do nothing;
  end loop;
  return id;
end
$$;

comment on function sluice.ensure_stream is
  'The id of a stream, which is created when it is missing. A stream that exists keeps its kind. SL004: too many streams.';

create or replace function sluice.enqueue(
  workspace text, stream text, type text, data json, actor text, watched regclass default null
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
  -- Told early if it can be seen already; what happens from here to COMMIT is seen there.
  select s.id into stream_id from sluice.streams s where s.workspace = enqueue.workspace and s.name = enqueue.stream;
  if found then
    perform sluice.refuse_closed(array[stream_id]);
  elsif enqueue.stream <> 'feed' and sluice.stream_room(enqueue.workspace) = 0 then
    perform sluice.refuse_streams(enqueue.workspace);
  end if;
  insert into sluice.pending (workspace, stream, type, data, actor)
  values (enqueue.workspace, enqueue.stream, enqueue.type, enqueue.data, enqueue.actor)
  returning event_id into id;
  return id;
end
$$;

-- As before, but that a request which would need a stream too many is refused, and its neighbours are not.
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

  ids := sluice.lock_streams(workspaces, streams, leaves_out => true);

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

-- Retention. ------------------------------------------------------------------------------------------------------

create function sluice.retain_locked(id bigint, cutoff timestamptz, at_most bigint) returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
  -- Two days without a use: gateways tell of the streams that they follow each hour.
  unused_before timestamptz := clock_timestamp() - interval '48 hours';
  -- When to look at it again while it has no events.
  later timestamptz := least(clock_timestamp(), cutoff + interval '48 hours');
  base bigint;
  oldest timestamptz;
  event record;
  last_position bigint;
  last_id uuid;
  last_at timestamptz;
  removed bigint := 0;
begin
  select s.base_position into base from sluice.streams s where s.id = retain_locked.id;
  for event in
    select e.position, e.event_id, e.at from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base
    order by e.position limit at_most + 1
  loop
    oldest := event.at;
    exit when event.at >= cutoff or removed >= at_most;
    oldest := null;
    removed := removed + 1;
    last_position := event.position;
    last_id := event.event_id;
    last_at := event.at;
  end loop;

  if removed = 0 and oldest is null then
    -- Nobody can be appending: that takes the lock which is held here, and then sees that the stream is gone.
    delete from sluice.streams s
    where s.id = retain_locked.id and s.kind = 'feed' and s.workspace <> '$system' and s.closed_at is null
      and s.used_at < unused_before;
    if found then
      return 0;
    end if;
  end if;
  if removed > 0 then
    delete from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base and e.position <= last_position;
  end if;
  update sluice.streams s
  set base_position = coalesce(last_position, s.base_position), base_event_id = coalesce(last_id, s.base_event_id),
    base_at = coalesce(last_at, s.base_at), oldest_at = coalesce(oldest, later),
    used_at = case when removed > 0 then clock_timestamp() else s.used_at end
  where s.id = retain_locked.id;
  return removed;
end
$$;

comment on function sluice.retain_locked is
  'Internal. Removes at most at_most expired events of a stream that the transaction has locked FOR UPDATE, and moves its base '
  'along; or the stream itself, if it is open-ended, has no events and was not used for two days.';

create function sluice.retain_due(kind text, keep interval, at_most int, out removed bigint, out more boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  cutoff timestamptz := clock_timestamp() - keep;
  most_streams constant int := 200;
  seen int := 0;
  stream record;
begin
  if cutoff is null or keep < interval '0' or coalesce(at_most, 0) < 1 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'retain needs a duration of 0 or more and a batch of 1 or more events';
  end if;
  removed := 0;
  more := false;
  if not pg_try_advisory_xact_lock(hashtextextended('sluice.retain', 0)) then
    return;
  end if;
  -- One that somebody is just appending to is left for retain_stream: it may be locked for long.
  for stream in
    select s.id from sluice.streams s
    where s.kind = retain_due.kind and s.oldest_at < cutoff
    order by s.oldest_at limit most_streams
    for update skip locked
  loop
    seen := seen + 1;
    removed := removed + sluice.retain_locked(stream.id, cutoff, at_most - removed);
    exit when removed >= at_most;
  end loop;
  more := removed >= at_most or seen = most_streams;
end
$$;

comment on function sluice.retain_due is
  'Removes events that are older than keep from the streams of a kind, the oldest of each stream first, and streams that '
  'are empty and unused: at most at_most events and 200 streams. more: whether to call it again at once.';

create or replace function sluice.retain(kind text, keep interval, at_most int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return (select d.removed from sluice.retain_due(kind, keep, at_most) d);
end
$$;

comment on function sluice.retain is 'As retain_due, for gateways of before; returns how many events were removed.';

create function sluice.retain_stream(id bigint, keep interval, at_most int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '1s'
as $$
#variable_conflict use_column
begin
  perform from sluice.streams s where s.id = retain_stream.id for update;
  if not found then
    return 0;
  end if;
  return sluice.retain_locked(retain_stream.id, clock_timestamp() - keep, at_most);
end
$$;

comment on function sluice.retain_stream is
  'As retain_due, for one stream that was locked then: waits up to a second for it, else raises 55P03.';

create function sluice.use_streams(ids bigint[]) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  before timestamptz := clock_timestamp() - interval '24 hours';
begin
  update sluice.streams s set used_at = clock_timestamp()
  where s.id = any (array(
    select o.id from sluice.streams o where o.id = any (ids) and o.used_at < before
    order by o.id for no key update skip locked
  ));
end
$$;

comment on function sluice.use_streams is 'Notes that these streams are followed, so that retention keeps them; once a day each.';

-- Nobody but the functions counts. The rest is as before.
create or replace function sluice.raise_wall() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  me record;
  target record;
begin
  select r.rolsuper, r.rolbypassrls into me from pg_roles r where r.rolname = current_user;
  if to_regrole('sluice_request') is null and (me.rolsuper or me.rolbypassrls) then
    begin
      create role sluice_request nologin;
    exception
      when insufficient_privilege then return;
      -- A gateway that starts on another database of this server was quicker.
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if me.rolbypassrls and not me.rolsuper then
    begin
      grant sluice_request to current_user;
    exception
      when insufficient_privilege then null;
    end;
  end if;
  if not coalesce(pg_has_role(to_regrole('sluice_request'), 'member'), false) then
    return;
  end if;

  if not has_schema_privilege('sluice_request', 'sluice', 'usage') then
    grant usage on schema sluice to sluice_request;
  end if;
  for target in
    select c.oid::regclass as name, case
      -- Only functions write the log.
      when c.relname in ('streams', 'events', 'jobs') then 'select'
      else 'select, insert, update, delete'
    end as rights
    from pg_class c
    where c.relnamespace = 'sluice'::regnamespace and c.relkind = 'r' and c.relrowsecurity
      and c.relname not in ('pending', 'idempotency_keys', 'stream_counts')
      and not has_table_privilege('sluice_request', c.oid, 'select')
  loop
    execute format('grant %s on %s to sluice_request', target.rights, target.name);
  end loop;
  for target in
    select p.oid::regprocedure as name from pg_proc p
    where p.pronamespace = 'sluice'::regnamespace
      and p.proname in ('append', 'ensure_stream', 'publish_access_change', 'is_workspace')
      and not has_function_privilege('sluice_request', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to sluice_request', target.name);
  end loop;
end
$$;

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
