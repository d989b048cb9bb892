-- Up Migration

-- Retention by options visits only streams that may have something to remove.
--
-- Invariant: a stream without options costs an append what it cost before. So no append notes that a stream has grown:
--
-- - Age: the oldest event says when the stream is due, and only retention removes it. Two indexes find the streams that are
--   due: by their own max_age_seconds (look_at), and in each workspace that has one, by that of the workspace (oldest_at).
-- - Number: a stream is looked at again after as long as it has been idle, between an hour and a day. So one that grows is
--   looked at each hour, and one that has been idle for weeks each day.
--
-- sluice.retain_due leaves streams alone that own_retention marks. When neither the stream nor its workspace has an option of
-- retention any more, the mark goes: at once, or for the streams of a workspace by the next sweep.

alter table sluice.streams
  add column own_age boolean not null default false,
  add column own_number boolean not null default false,
  add column look_at timestamptz not null default '-infinity';

comment on column sluice.streams.own_age is 'Whether it has the option max_age_seconds of its own.';
comment on column sluice.streams.own_number is 'Whether it has the option max_events of its own.';
comment on column sluice.streams.look_at is
  'When retention looks at it next because of an option that it has of its own, or of the number of its events.';

update sluice.streams s set own_age = s.options ? 'max_age_seconds', own_number = s.options ? 'max_events'
where s.options ?| array['max_age_seconds', 'max_events'];

create index streams_own_due on sluice.streams (look_at) where own_age or own_number;
create index streams_age_due on sluice.streams (workspace, oldest_at) where kind = 'feed' and not own_age;
create index streams_number_due on sluice.streams (workspace, look_at) where kind = 'feed' and not own_number;

create or replace function sluice.configure_stream(workspace text, stream text, options json) returns jsonb
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
  target.options := sluice.changed_options(target.options, configure_stream.options, false);
  update sluice.streams s
  set options = target.options, own_age = coalesce(target.options ? 'max_age_seconds', false),
    own_number = coalesce(target.options ? 'max_events', false), look_at = '-infinity',
    own_retention = coalesce(target.options ?| array['max_age_seconds', 'max_events'], false) or exists (
      select from sluice.workspaces w
      where w.workspace = configure_stream.workspace and w.options ?| array['max_age_seconds', 'max_events']
    )
  where s.id = target.id;
  return target.options;
end
$$;

comment on function sluice.configure_stream is
  'Sets, changes and (with null) removes options of a stream, which is created if it is missing, and returns all of them. '
  'max_age_seconds: how long retention keeps an event. max_events: how many of the newest events it keeps. Both override the '
  'workspace''s options and the gateways'' RETENTION_DAYS, in either direction; retention runs about once an hour, and counts the '
  'events of a stream that was idle for long once a day. '
  'compact_key: the path of a key, such as data.id. An event that a newer one of the same key has superseded loses its type and data '
  'when it is older than compact_after_seconds (3600); it keeps its position and id, and clients do not get it. '
  'SL002: invalid option. SL006: the stream of a job.';

create or replace function sluice.configure_workspace(workspace text, options json) returns jsonb
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
  -- Retention removes the row when none of the workspace's streams is marked any more.
  update sluice.workspaces w set options = coalesce(changed, '{}') where w.workspace = configure_workspace.workspace;
  return changed;
end
$$;

drop function sluice.kept_by_options(bigint, timestamptz);
create function sluice.kept_by_options(
  id bigint, inout cutoff timestamptz, out up_to bigint, out own boolean, out look_at timestamptz
)
language plpgsql
as $$
#variable_conflict use_column
declare
  stream record;
  newest record;
begin
  select s.kind, s.own_age, coalesce(w.options, '{}') || coalesce(s.options, '{}') as options
  into stream
  from sluice.streams s
  left join lateral (select w.options from sluice.workspaces w where w.workspace = s.workspace limit 1) w on true
  where s.id = kept_by_options.id;
  -- The streams of jobs and of the system are kept by their kind alone.
  own := stream.kind = 'feed' and stream.options ?| array['max_age_seconds', 'max_events'];
  if not own then
    return;
  end if;
  if stream.options ? 'max_age_seconds' then
    cutoff := clock_timestamp() - make_interval(secs => (stream.options ->> 'max_age_seconds')::float8);
  end if;
  if stream.options ? 'max_events' then
    select e.position, e.at into newest from sluice.events e
    where e.stream_id = kept_by_options.id order by e.position desc limit 1;
    up_to := newest.position - (stream.options ->> 'max_events')::bigint;
    look_at := clock_timestamp() + least(greatest(clock_timestamp() - newest.at, interval '1 hour'), interval '24 hours');
  end if;
end
$$;

comment on function sluice.kept_by_options is
  'Internal. Which events of a stream retention removes: those before cutoff, which is the given one unless options say '
  'otherwise, and those up to the position up_to. own: whether options decide. look_at: when to count its events again, if '
  'their number decides.';

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
    look_at = case
      -- A full batch: events that are due may be left.
      when removed >= at_most then '-infinity'
      -- At least once a day, because an option of its workspace may concern it from now on.
      when s.own_age then least(
        kept.look_at, coalesce(oldest, later) + (clock_timestamp() - kept.cutoff), clock_timestamp() + interval '24 hours'
      )
      else coalesce(kept.look_at, '-infinity')
    end,
    used_at = case when removed > 0 then clock_timestamp() else s.used_at end
  where s.id = retain_locked.id;
  return removed;
end
$$;

create or replace function sluice.retain_own(
  keep interval, at_most int, inout after_workspace text, inout after_name text,
  out removed bigint, out busy bigint[], out more boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most_streams constant int := 200;
  begun timestamptz := clock_timestamp();
  cutoff timestamptz := begun - keep;
  seen int := 0;
  stream record;
begin
  removed := 0;
  busy := '{}';
  for stream in
    select distinct d.id from (
      (select s.id from sluice.streams s
       where (s.own_age or s.own_number) and s.look_at <= begun order by s.look_at limit most_streams)
      union all
      (select s.id
       from sluice.workspaces w
       cross join lateral (
         select s.id from sluice.streams s
         where s.workspace = w.workspace and s.kind = 'feed' and not s.own_age and s.oldest_at < begun - make_interval(secs => (w.options ->> 'max_age_seconds')::float8)
         order by s.oldest_at limit most_streams
       ) s
       where w.options ? 'max_age_seconds'
       limit most_streams)
      union all
      (select s.id
       from sluice.workspaces w
       cross join lateral (
         select s.id from sluice.streams s
         where s.workspace = w.workspace and s.kind = 'feed' and not s.own_number and s.look_at <= begun
         order by s.look_at limit most_streams
       ) s
       where w.options ? 'max_events'
       limit most_streams)
      union all
      -- Marked streams of workspaces that have no option of retention any more.
      (select s.id
       from sluice.workspaces w
       cross join lateral (
         select s.id from sluice.streams s
         where s.workspace = w.workspace and s.own_retention and not s.own_age and not s.own_number
         order by s.name limit most_streams
       ) s
       where not w.options ?| array['max_age_seconds', 'max_events']
       limit most_streams)
    ) d
    limit most_streams
  loop
    -- Skips a stream that an append has locked, perhaps for long. retain_stream handles it later.
    perform from sluice.streams s where s.id = stream.id for update skip locked;
    if not found then
      busy := busy || stream.id;
      continue;
    end if;
    seen := seen + 1;
    removed := removed + sluice.retain_locked(stream.id, cutoff, at_most - removed);
    exit when removed >= at_most;
  end loop;
  delete from sluice.workspaces w
  where w.options = '{}' and (
    select s.id from sluice.streams s
    where s.workspace = w.workspace and s.own_retention and not s.own_age and not s.own_number limit 1
  ) is null;
  more := removed >= at_most or seen > 0 and seen + cardinality(busy) >= most_streams;
end
$$;

comment on function sluice.retain_own is
  'As retain_due, for the streams that options of their own or of their workspace concern and that are due. keep: for streams whose '
  'options name no age; null keeps for ever. busy: streams that an append had locked, for retain_stream. Without effect: '
  'after_workspace and after_name, which older gateways pass.';

drop index sluice.streams_own;
create index streams_own on sluice.streams (workspace, name) where own_retention and not own_age and not own_number;

revoke all on all functions in schema sluice from public;
