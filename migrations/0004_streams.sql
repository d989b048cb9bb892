-- Up Migration

-- Streams: each is one ordered log of events, and its row is the mutex of its appends.
--
-- Invariant: an append locks the stream's row FOR NO KEY UPDATE until its transaction ends and never updates it. A hot row
-- that is updated grows a chain of versions, and every append would walk that chain while any old snapshot is open.
--
-- Locks are always taken in the same order, so that calls never deadlock with each other: missing streams are created in
-- the order (workspace, name), idempotency keys are claimed in the order (workspace, actor, key), and existing streams are
-- locked in ascending id.
--
-- A workspace has a limited number of open-ended streams. Retention removes a stream that has no events and that no client
-- follows. Jobs have streams too (kind job); these end, go with their job, and are not counted.
--
-- Only functions write the streams and their counts. The entry points are SECURITY DEFINER with a pinned search_path,
-- and no role may execute them until it is granted. Sequential scans are off, because these tables are created empty and
-- grow within a session: a plan that was cached while a table was empty would scan all of it from then on. Plans are
-- generic, because each statement has one good plan, and making it takes longer than running it.

-- Collation "C": the unique index decides which stream a name means, so its order must not change with the system's locales.
create table sluice.streams (
  id bigint generated always as identity primary key,
  workspace text collate "C" not null check (sluice.is_workspace(workspace) or workspace = '$system'),
  name text collate "C" not null check (sluice.is_stream(name)),
  kind text not null default 'feed' check (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
  base_position bigint not null default 0 check (base_position >= 0),
  base_event_id uuid not null default gen_random_uuid(),
  base_at timestamptz,
  closed_at timestamptz,
  used_at timestamptz not null default clock_timestamp(),
  oldest_at timestamptz not null default clock_timestamp(),
  unique (workspace, name)
);

create index streams_due on sluice.streams (kind, oldest_at);
select sluice.guard('sluice.streams');

comment on table sluice.streams is
  'Each stream is one ordered log of events. Its row is the mutex of its appends. The workspace $system is the gateway''s own: '
  'no token and no application can name it.';
comment on column sluice.streams.kind is 'The kind by which retention treats it: feed, system, access, job.';
comment on column sluice.streams.base_position is
  'Position of the last event that retention removed; 0 when it removed none. The first event is base_position + 1.';
comment on column sluice.streams.base_event_id is
  'UUID of that event, by which an event id at the base can still be verified; random when there is no such event.';
comment on column sluice.streams.base_at is 'Time of that event.';
comment on column sluice.streams.closed_at is 'Set once. A closed stream takes no more events.';
comment on column sluice.streams.used_at is
  'When the stream was created, when a gateway last noted that clients follow it, or when retention last removed events of '
  'it. At most a day late.';
comment on column sluice.streams.oldest_at is
  'No stored event is older, so retention need not look at the stream before this time has expired. Appends do not change it.';

-- How many streams there are. ---------------------------------------------------------------------------------------

create table sluice.limits (
  name text primary key,
  most bigint not null check (most >= 0)
);
insert into sluice.limits (name, most) values ('streams', 10000);

comment on table sluice.limits is
  'Limits that hold in SQL too. The gateways write them here when they start. 0 means no limit. '
  'streams: open-ended streams of a workspace.';

-- With one row for each workspace, every caller that creates a stream would wait for the transactions of all others that
-- do. So a transaction takes any row that is not locked, or inserts another, and never waits. The count is the sum.
create table sluice.stream_counts (
  id bigint generated always as identity primary key,
  workspace text collate "C" not null,
  streams bigint not null
);
create index on sluice.stream_counts (workspace);
select sluice.guard('sluice.stream_counts');

comment on table sluice.stream_counts is 'How many open-ended streams each workspace has: the sum of its rows.';

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
    -- Under an older snapshot, updating a row that was changed since would fail.
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
  'Internal. How many more open-ended streams a workspace may create; null means any number. Concurrent transactions do not '
  'see each other''s new streams, so together they may exceed the limit by the streams that they create before they commit.';

create function sluice.refuse_streams(workspace text) returns void
language plpgsql
as $$
begin
  raise exception using
    errcode = 'SL004',
    message = format('the workspace %L has reached its limit of streams', workspace),
    detail = format('The limit is %s.', (select l.most from sluice.limits l where l.name = 'streams')),
    hint = 'Publish to an existing stream. Streams that are empty and that no client follows are removed after two days; '
      'MAX_STORED_STREAMS_PER_WORKSPACE of the gateways sets the limit.';
end
$$;

comment on function sluice.refuse_streams is 'Internal. Raises SL004: the workspace has too many streams.';

-- Creating, locking, closing and using streams. ----------------------------------------------------------------------

create function sluice.lock_streams(workspaces text[], names text[], leaves_out boolean default false) returns bigint[]
language plpgsql
as $$
declare
  ids bigint[];
  locked bigint[];
begin
  loop
    -- Looks first, because an insert that runs into its conflict would use up a number of the sequence. The scalar
    -- subqueries, here and below, are probes of the unique index; no planner turns them into a scan of all streams.
    insert into sluice.streams (workspace, name, kind)
    select m.workspace, m.name, case m.workspace when '$system' then 'system' else 'feed' end
    from (
      select w.workspace, w.name, row_number() over (partition by w.workspace order by w.name collate "C") as nth
      from (select distinct u.workspace, u.name from unnest(workspaces, names) as u (workspace, name)) w
      where (select s.id from sluice.streams s where s.workspace = w.workspace and s.name = w.name) is null
    ) m
    -- The feed is always created: without it a workspace can have neither items nor jobs.
    where m.name = 'feed' or m.workspace = '$system' or coalesce(m.nth <= sluice.stream_room(m.workspace), true)
    order by m.workspace collate "C", m.name collate "C"
    on conflict (workspace, name) do nothing;

    ids := array(
      select (select s.id from sluice.streams s where s.workspace = w.workspace and s.name = w.name)
      from unnest(workspaces, names) with ordinality as w (workspace, name, place)
      order by w.place
    );
    locked := array(select s.id from sluice.streams s where s.id = any (ids) order by s.id for no key update);
    -- A stream that retention removed just before it was locked is created again.
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
  'Internal. Creates the missing streams, locks all of them in ascending id, and returns their ids in the order of the '
  'arguments. For a workspace that has reached its limit it raises SL004, or with leaves_out returns null in that place.';

create function sluice.refuse_closed(stream_ids bigint[]) returns void
language plpgsql
as $$
declare
  stream record;
begin
  select s.workspace, s.name into stream
  from sluice.streams s
  where s.id = any (stream_ids) and s.closed_at is not null
  order by s.id
  limit 1;
  if found then
    raise exception using
      errcode = 'SL001',
      message = format('the stream %L of workspace %L is closed', stream.name, stream.workspace),
      detail = 'A closed stream has its last event and takes no more.',
      hint = 'Publish to another stream.';
  end if;
end
$$;

comment on function sluice.refuse_closed is 'Internal. Raises SL001 when one of the streams is closed.';

create function sluice.ensure_stream(workspace text, stream text, kind text default 'feed') returns bigint
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
  'The id of a stream, which is created if it is missing. An existing stream keeps its kind. SL004: too many streams.';

create function sluice.close_stream(stream_id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update sluice.streams s set closed_at = clock_timestamp()
  where s.id = close_stream.stream_id and s.closed_at is null;
  return found;
end
$$;

comment on function sluice.close_stream is
  'Closes a stream for good. Every append after this transaction has committed fails with SL001. '
  'Returns false when the stream was closed already or does not exist.';

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

comment on function sluice.use_streams is
  'Notes, at most once a day for each, that clients follow these streams, so retention keeps them.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
