-- Up Migration

-- The administration of streams: options of a stream and of a workspace, closing and deleting a stream by its name, and
-- retention by options.
--
-- Options are a JSON object. An option is set, changed and (with null) removed by sluice.configure_stream for one stream, and
-- by sluice.configure_workspace for the streams of a workspace that have no value of their own. sluice.check_option knows
-- each option.
--
-- Invariant: a stream without options costs what it cost before. An append never reads the options; retention finds the
-- streams that have some by an index of their own (streams_own), because options may be stricter or laxer than the rule of
-- the stream's kind.

alter table sluice.streams
  add column created_at timestamptz,
  add column options jsonb check (jsonb_typeof(options) = 'object'),
  add column own_retention boolean not null default false;
alter table sluice.streams alter column created_at set default clock_timestamp();

comment on column sluice.streams.created_at is 'Null for a stream that is older than this column.';
comment on column sluice.streams.options is
  'Options of this stream, such as {"max_events": 1000}; null when it has none. A stream with options is not removed when it is unused.';
comment on column sluice.streams.own_retention is
  'Whether options of the stream or of its workspace decide about its retention, as retention saw it last.';

drop index sluice.streams_due;
create index streams_due on sluice.streams (kind, oldest_at) where not own_retention;
create index streams_own on sluice.streams (workspace, name) where own_retention;

create table sluice.workspaces (
  workspace text collate "C" primary key check (sluice.is_workspace(workspace)),
  options jsonb not null check (jsonb_typeof(options) = 'object')
);
select sluice.guard('sluice.workspaces');

comment on table sluice.workspaces is 'The workspaces that have options. They hold for the streams without a value of their own.';

-- The events of a deleted stream are removed in batches, after the stream itself.
create table sluice.deleted_streams (
  stream_id bigint primary key,
  workspace text collate "C" not null,
  deleted_at timestamptz not null default clock_timestamp()
);
select sluice.guard('sluice.deleted_streams');

comment on table sluice.deleted_streams is 'Streams that were deleted and whose events are still being removed. Nobody can read them.';

-- Options. ------------------------------------------------------------------------------------------------------------

create function sluice.check_option(name text, value jsonb, of_workspace boolean) returns void
language plpgsql immutable
as $$
declare
  most numeric := case name when 'max_age_seconds' then 3155760000 when 'max_events' then 9007199254740991 end;
begin
  if most is null then
    raise exception using
      errcode = 'SL002',
      message = format('there is no option %L', left(name, 200)),
      hint = 'The options are max_age_seconds and max_events.';
  end if;
  if jsonb_typeof(value) = 'null' then
    return;
  end if;
  if jsonb_typeof(value) <> 'number' or value::numeric <> trunc(value::numeric) or value::numeric not between 1 and most then
    raise exception using
      errcode = 'SL002',
      message = format('the option %s is not a whole number from 1 to %s', name, most),
      hint = 'null removes an option.';
  end if;
end
$$;

comment on function sluice.check_option is
  'Internal. Raises SL002 unless the option exists and may have this value. of_workspace: for all streams of a workspace.';

create function sluice.changed_options(options jsonb, changes json, of_workspace boolean) returns jsonb
language plpgsql immutable
as $$
begin
  if json_typeof(changes) is distinct from 'object' then
    raise exception using
      errcode = 'SL002', message = 'the options are not a JSON object', hint = 'Pass options such as {"max_events": 1000}.';
  end if;
  perform sluice.check_option(c.key, c.value, of_workspace) from jsonb_each(changes::jsonb) c;
  return nullif(jsonb_strip_nulls(coalesce(options, '{}') || changes::jsonb), '{}');
end
$$;

comment on function sluice.changed_options is 'Internal. The options after the changes, of which null removes one; null when none is left.';

create function sluice.check_workspace(workspace text) returns void
language plpgsql stable
as $$
begin
  perform sluice.check_name_forms(workspace, 'feed');
  if workspace <> nullif(current_setting('sluice.workspace', true), '') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('this transaction belongs to another workspace than %L', workspace);
  end if;
end
$$;

comment on function sluice.check_workspace is
  'Internal. Raises SL002 unless this is the name of a workspace, and 42501 when the transaction has set another one.';

create function sluice.lock_administered(workspace text, stream text, may_be_feed boolean default false) returns sluice.streams
language plpgsql
as $$
declare
  found_stream sluice.streams;
begin
  perform sluice.check_workspace(workspace);
  perform sluice.check_name_forms(workspace, stream);
  select s.* into found_stream from sluice.streams s
  where s.workspace = lock_administered.workspace and s.name = lock_administered.stream
  for update;
  if found_stream.kind <> 'feed' or stream = 'feed' and not may_be_feed then
    raise exception using
      errcode = 'SL006',
      message = case stream when 'feed' then 'the feed of a workspace cannot be closed or deleted'
                else format('the stream %L belongs to a job', stream) end,
      hint = case stream when 'feed' then 'Items and jobs publish to it.' else 'End the job; retention removes it later.' end;
  end if;
  return found_stream;
end
$$;

comment on function sluice.lock_administered is
  'Internal. Locks and returns the stream, or null when there is none. Waits for the appends that are running. Raises SL006 for '
  'the stream of a job and, unless may_be_feed, for the feed.';

create function sluice.configure_stream(workspace text, stream text, options json) returns jsonb
language plpgsql security definer
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  target sluice.streams;
begin
  target := sluice.lock_administered(configure_stream.workspace, configure_stream.stream, may_be_feed => true);
  if target.id is null then
    perform sluice.ensure_stream(configure_stream.workspace, configure_stream.stream);
    target := sluice.lock_administered(configure_stream.workspace, configure_stream.stream, may_be_feed => true);
  end if;
  update sluice.streams s
  set options = sluice.changed_options(s.options, configure_stream.options, false),
    own_retention = s.own_retention or sluice.changed_options(s.options, configure_stream.options, false) is not null
  where s.id = target.id
  returning s.options into target.options;
  return target.options;
end
$$;

comment on function sluice.configure_stream is
  'Sets, changes and (with null) removes options of a stream, which is created if it is missing, and returns all of them. '
  'max_age_seconds: how long retention keeps an event. max_events: how many of the newest events it keeps. Both override the '
  'workspace''s options and the gateways'' RETENTION_DAYS, in either direction; retention runs about once an hour. '
  'SL002: invalid option. SL006: the stream of a job.';

create function sluice.configure_workspace(workspace text, options json) returns jsonb
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  changed jsonb;
begin
  perform sluice.check_workspace(configure_workspace.workspace);
  insert into sluice.workspaces as w (workspace, options) values (configure_workspace.workspace, '{}')
  on conflict (workspace) do update set options = w.options
  returning sluice.changed_options(w.options, configure_workspace.options, true) into changed;
  if changed is null then
    delete from sluice.workspaces w where w.workspace = configure_workspace.workspace;
  else
    update sluice.workspaces w set options = changed where w.workspace = configure_workspace.workspace;
  end if;
  return changed;
end
$$;

comment on function sluice.configure_workspace is
  'As configure_stream, for all streams of a workspace that have no value of their own for the option. The streams of jobs are '
  'kept with their jobs.';

-- Closing and deleting. -----------------------------------------------------------------------------------------------

create function sluice.close_stream(workspace text, stream text) returns bigint
language plpgsql security definer
set lock_timeout = '2s'
as $$
declare
  target sluice.streams;
begin
  target := sluice.lock_administered(close_stream.workspace, close_stream.stream);
  if target.id is not null and target.closed_at is null then
    perform sluice.close_stream(target.id);
    perform sluice.wake(array[target.id]);
  end if;
  return target.id;
end
$$;

comment on function sluice.close_stream(text, text) is
  'Closes a stream for good: it takes no more events (SL001), and its followers get the end. Returns the number of the stream, '
  'or null when there is none. SL006: the feed, or the stream of a job.';

create function sluice.delete_stream(workspace text, stream text) returns bigint
language plpgsql security definer
set lock_timeout = '2s'
as $$
declare
  target sluice.streams;
begin
  target := sluice.lock_administered(delete_stream.workspace, delete_stream.stream);
  if target.id is not null then
    perform sluice.drop_stream(target);
  end if;
  return target.id;
end
$$;

comment on function sluice.delete_stream is
  'Deletes a stream with its events. Its followers get a reset and the end; a later stream of this name has another history. '
  'The newest 5,000 events are removed at once, others within about an hour. Returns the number of the stream, or null when '
  'there is none. SL006: the feed, or the stream of a job.';

create function sluice.drop_stream(target sluice.streams) returns void
language plpgsql
as $$
begin
  delete from sluice.streams s where s.id = target.id;
  insert into sluice.deleted_streams (stream_id, workspace) values (target.id, target.workspace);
  perform sluice.remove_deleted(5000, target.id);
  perform sluice.wake(array[target.id]);
end
$$;

comment on function sluice.drop_stream is 'Internal. Deletes a stream that the transaction has locked FOR UPDATE.';

create function sluice.remove_deleted(at_most int, id bigint default null, of_workspace text default null) returns bigint
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  removed bigint := 0;
  part bigint;
  stream bigint;
begin
  for stream in
    select d.stream_id from sluice.deleted_streams d
    where (remove_deleted.id is null or d.stream_id = remove_deleted.id)
      and (of_workspace is null or d.workspace = of_workspace)
    order by d.stream_id limit 200
    for update skip locked
  loop
    -- The newest first: a tailer whose head is gone knows at once that the stream does not continue.
    delete from sluice.events e
    where e.stream_id = stream and e.position >= (
      select min(n.position) from (
        select n.position from sluice.events n where n.stream_id = stream order by n.position desc limit at_most - removed
      ) n
    );
    get diagnostics part = row_count;
    removed := removed + part;
    exit when removed >= at_most;
    delete from sluice.deleted_streams d where d.stream_id = stream;
  end loop;
  return removed;
end
$$;

comment on function sluice.remove_deleted is
  'Removes at most at_most events of deleted streams: of one stream, of a workspace, or of all. Call it until it removes fewer.';

-- Retention by options. ------------------------------------------------------------------------------------------------

create or replace function sluice.retain_locked(id bigint, cutoff timestamptz, at_most bigint) returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
  -- Two days: gateways note once an hour which streams their clients follow.
  unused_before timestamptz := clock_timestamp() - interval '48 hours';
  -- When to look at the stream again while it has no events.
  later timestamptz;
  kept record;
  base bigint;
  oldest timestamptz;
  event record;
  last_position bigint;
  last_id uuid;
  last_at timestamptz;
  removed bigint := 0;
begin
  select s.base_position into base from sluice.streams s where s.id = retain_locked.id;
  select * into kept from sluice.kept_by_options(retain_locked.id, cutoff);
  later := least(clock_timestamp(), kept.cutoff + interval '48 hours');
  for event in
    select e.position, e.event_id, e.at from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base
    order by e.position limit at_most + 1
  loop
    oldest := event.at;
    exit when removed >= at_most
      or not (coalesce(event.at < kept.cutoff, false) or coalesce(event.position <= kept.up_to, false));
    oldest := null;
    removed := removed + 1;
    last_position := event.position;
    last_id := event.event_id;
    last_at := event.at;
  end loop;

  if removed = 0 and oldest is null then
    -- No append can be running: it would need the lock that is held here, and afterwards it sees that the stream is gone.
    delete from sluice.streams s
    where s.id = retain_locked.id and s.kind = 'feed' and s.workspace <> '$system' and s.closed_at is null
      and s.options is null and s.used_at < unused_before;
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
    base_at = coalesce(last_at, s.base_at), oldest_at = coalesce(oldest, later), own_retention = kept.own,
    used_at = case when removed > 0 then clock_timestamp() else s.used_at end
  where s.id = retain_locked.id;
  return removed;
end
$$;

comment on function sluice.retain_locked is
  'Internal. Removes at most at_most expired events of a stream that the transaction has locked FOR UPDATE, and moves its '
  'base; or removes the stream itself, if it is open-ended, has no events and no options, and was not used for two days. '
  'Options decide before cutoff.';

create function sluice.kept_by_options(
  id bigint, inout cutoff timestamptz, out up_to bigint, out own boolean, out due boolean
)
language plpgsql
as $$
declare
  options jsonb;
  stream record;
  head bigint;
begin
  select s.kind, s.base_position, s.oldest_at, s.own_retention, coalesce(w.options, '{}') || coalesce(s.options, '{}') as options
  into stream
  from sluice.streams s
  left join lateral (select w.options from sluice.workspaces w where w.workspace = s.workspace limit 1) w on true
  where s.id = kept_by_options.id;
  -- The streams of jobs and of the system are kept by their kind alone.
  options := case when stream.kind = 'feed' then stream.options else '{}' end;
  own := options ?| array['max_age_seconds', 'max_events'];
  if options ? 'max_age_seconds' then
    cutoff := clock_timestamp() - make_interval(secs => (options ->> 'max_age_seconds')::float8);
  end if;
  if options ? 'max_events' then
    select e.position into head from sluice.events e where e.stream_id = kept_by_options.id order by e.position desc limit 1;
    up_to := head - (options ->> 'max_events')::bigint;
  end if;
  due := own <> stream.own_retention or coalesce(stream.oldest_at < cutoff, false) or coalesce(up_to > stream.base_position, false);
end
$$;

comment on function sluice.kept_by_options is
  'Internal. Which events of a stream retention removes: those before cutoff, which is the given one unless options say '
  'otherwise, and those up to the position up_to. own: whether options decide. due: whether retention has anything to do.';

create or replace function sluice.retain_due(kind text, keep interval, at_most int, out removed bigint, out more boolean)
language plpgsql security definer
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
  -- Skips a stream that an append has locked, perhaps for long. retain_stream handles it later.
  for stream in
    select s.id from sluice.streams s
    where s.kind = retain_due.kind and s.oldest_at < cutoff and not s.own_retention
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

create or replace function sluice.retain_stream(id bigint, keep interval, at_most int) returns bigint
language plpgsql security definer
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

create function sluice.retain_own(
  keep interval, at_most int, inout after_workspace text, inout after_name text,
  out removed bigint, out busy bigint[], out more boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most_streams constant int := 200;
  cutoff timestamptz := clock_timestamp() - keep;
  seen int := 0;
  stream record;
  part bigint;
begin
  removed := 0;
  busy := '{}';
  for stream in
    select c.id, c.workspace, c.name
    from (
      (select s.id, s.workspace, s.name from sluice.streams s
       where s.own_retention and s.workspace = after_workspace and s.name > after_name
       order by s.workspace, s.name limit most_streams)
      union
      (select s.id, s.workspace, s.name from sluice.streams s
       where s.own_retention and s.workspace > after_workspace
       order by s.workspace, s.name limit most_streams)
      union
      (select s.id, s.workspace, s.name from sluice.streams s
       where exists (select from sluice.workspaces w where w.workspace = after_workspace)
         and s.workspace = after_workspace and s.name > after_name and s.kind = 'feed'
       order by s.name limit most_streams)
      union
      (select s.id, w.workspace, s.name
       from (select w.workspace from sluice.workspaces w where w.workspace > after_workspace order by w.workspace limit most_streams) w
       cross join lateral (
         select s.id, s.name from sluice.streams s
         where s.workspace = w.workspace and s.kind = 'feed' order by s.name limit most_streams
       ) s
       order by w.workspace, s.name limit most_streams)
    ) c
    order by c.workspace, c.name limit most_streams
  loop
    seen := seen + 1;
    if (select k.due from sluice.kept_by_options(stream.id, cutoff) k) then
      perform from sluice.streams s where s.id = stream.id for update skip locked;
      if found then
        part := sluice.retain_locked(stream.id, cutoff, at_most - removed);
        removed := removed + part;
        -- The next call continues with the same stream.
        exit when removed >= at_most;
      else
        busy := busy || stream.id;
      end if;
    end if;
    after_workspace := stream.workspace;
    after_name := stream.name;
  end loop;
  more := removed >= at_most or seen = most_streams;
end
$$;

comment on function sluice.retain_own is
  'As retain_due, for the streams that options of their own or of their workspace concern, in the order of workspace and name. '
  'Begin with two empty texts and pass those of the result on. keep: for streams whose options name no age; null keeps for '
  'ever. busy: streams that an append had locked, for retain_stream.';

create or replace function sluice.raise_wall() returns void
language plpgsql
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
      -- A gateway that starts on another database of this server created it first.
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
      when c.relname in ('streams', 'events', 'jobs', 'workspaces', 'deleted_streams') then 'select'
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
      and p.proname in ('append', 'ensure_stream', 'publish_access_change', 'is_workspace', 'configure_stream',
        'configure_workspace', 'close_stream', 'delete_stream')
      -- These take the number of any stream.
      and p.oid <> 'sluice.close_stream(bigint)'::regprocedure
      and not has_function_privilege('sluice_request', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to sluice_request', target.name);
  end loop;
end
$$;

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
