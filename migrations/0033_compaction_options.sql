-- Up Migration

-- Compaction as options of a stream: compact_key and compact_after_seconds. The row of the stream has the options; sluice.compactions
-- follows them, and appends read neither. A page of latest values has the attributes of CloudEvents, too.

create or replace function sluice.check_option(name text, value jsonb, of_workspace boolean) returns void
language plpgsql immutable
as $$
declare
  least numeric := case name when 'compact_after_seconds' then 0 else 1 end;
  most numeric := case name when 'max_age_seconds' then 3155760000 when 'max_events' then 9007199254740991
    when 'compact_after_seconds' then 315360000 end;
begin
  if most is null and name <> 'compact_key' or of_workspace and starts_with(name, 'compact_') then
    raise exception using
      errcode = 'SL002',
      message = format('there is no option %L%s', left(name, 200), case when of_workspace then ' of a workspace' end),
      hint = 'The options are max_age_seconds and max_events, and of a stream compact_key and compact_after_seconds.';
  end if;
  if jsonb_typeof(value) = 'null' then
    return;
  end if;
  if name = 'compact_key' then
    if jsonb_typeof(value) <> 'string' or not sluice.is_key_path(value #>> '{}') then
      raise exception using
        errcode = 'SL002',
        message = 'the option compact_key is not the path of a key',
        hint = 'Pass data and one or more names of letters, digits, _ and -, at most 256 characters, such as data.id.';
    end if;
    return;
  end if;
  if jsonb_typeof(value) <> 'number' or value::numeric <> trunc(value::numeric) or value::numeric not between least and most then
    raise exception using
      errcode = 'SL002',
      message = format('the option %s is not a whole number from %s to %s', name, least, most),
      hint = 'null removes an option.';
  end if;
end
$$;

create function sluice.apply_compact_key() returns trigger
language plpgsql security definer
as $$
begin
  perform sluice.set_compaction(new.id, new.options ->> 'compact_key',
    make_interval(secs => coalesce((new.options ->> 'compact_after_seconds')::float8, 3600)));
  return null;
end
$$;

comment on function sluice.apply_compact_key is 'Internal. Lets sluice.compactions follow the options of a stream.';

create trigger apply_compact_key after update of options on sluice.streams
  for each row when (old.options is distinct from new.options) execute function sluice.apply_compact_key();

comment on function sluice.configure_stream is
  'Sets, changes and (with null) removes options of a stream, which is created if it is missing, and returns all of them. '
  'max_age_seconds: how long retention keeps an event. max_events: how many of the newest events it keeps. Both override the '
  'workspace''s options and the gateways'' RETENTION_DAYS, in either direction; retention runs about once an hour. '
  'compact_key: the path of a key, such as data.id. An event that a newer one of the same key has superseded loses its type and data '
  'when it is older than compact_after_seconds (3600); it keeps its position and id, and clients do not get it. '
  'SL002: invalid option. SL006: the stream of a job.';

-- Only functions write the tables of compaction.
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
      when c.relname in ('streams', 'events', 'jobs', 'workspaces', 'deleted_streams', 'compactions', 'latest') then 'select'
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

do $$
begin
  if to_regrole('sluice_request') is not null then
    revoke insert, update, delete on sluice.compactions, sluice.latest from sluice_request;
  end if;
end
$$;

drop function sluice.latest_page(bigint, text, bigint, bigint, uuid, int, int, int, bigint);

create function sluice.latest_page(
  stream_id bigint, key_path text, after bigint, up_to bigint, up_to_id uuid,
  most_behind int, most_unindexed int, at_most int, max_bytes bigint
)
returns table (
  outcome text, anchor uuid, more boolean, "position" bigint, event_id uuid, at timestamptz, type text, data text, attributes text
)
language plpgsql stable
as $$
#variable_conflict use_column
declare
  base record;
  indexed bigint;
  is_indexed boolean;
  beyond record;
  tail_keys text[];
  tail_positions bigint[];
begin
  select s.base_position, s.base_event_id into base from sluice.streams s where s.id = latest_page.stream_id;
  anchor := (select e.event_id from sluice.events e where e.stream_id = latest_page.stream_id and e.position = after);
  if anchor is null and base.base_position = after then
    anchor := base.base_event_id;
  end if;
  outcome := 'lost';
  if up_to_id is distinct from coalesce(
    (select e.event_id from sluice.events e where e.stream_id = latest_page.stream_id and e.position = up_to),
    case when base.base_position = up_to then base.base_event_id end
  ) then
    return next;
    return;
  end if;

  select c.indexed_to into indexed from sluice.compactions c
  where c.stream_id = latest_page.stream_id and c.key_path = latest_page.key_path;
  is_indexed := found;
  indexed := greatest(indexed, base.base_position);
  outcome := case when is_indexed then 'behind' else 'unindexed' end;
  if up_to - indexed > (case when is_indexed then most_behind else most_unindexed end) then
    return next;
    return;
  end if;
  if not is_indexed then
    -- The sizes are known without reading the data.
    select sum(pg_column_size(e.data)) as bytes into beyond
    from sluice.events e where e.stream_id = latest_page.stream_id and e.position > indexed and e.position <= up_to;
    if beyond.bytes > 16 * max_bytes then
      return next;
      return;
    end if;
  end if;

  -- The newest events of the keys beyond the index.
  select array_agg(t.key), array_agg(t.position) into tail_keys, tail_positions
  from (
    select k.key, max(k.position) as position
    from (
      select sluice.key_of(e.data, latest_page.key_path) as key, e.position
      from sluice.events e
      where e.stream_id = latest_page.stream_id and e.position > indexed and e.position <= up_to
    ) k
    where k.key is not null
    group by k.key
  ) t;
  return query
  with tail as materialized (
    select t.key, t.position from unnest(tail_keys, tail_positions) as t (key, position)
  ), found as materialized (
    select l.position from sluice.latest l
    where is_indexed and l.stream_id = latest_page.stream_id and l.position > after and l.position <= up_to
      and not exists (select from tail t where t.key = l.key)
    order by l.position limit at_most + 1
  ), chosen as materialized (
    select c.position from (select f.position from found f union all select t.position from tail t where t.position > after) c
    order by c.position limit at_most + 1
  ), sized as (
    select e.*, row_number() over so_far as place, count(*) over () as available,
      sum(pg_column_size(e.data) + coalesce(pg_column_size(e.attributes), 0)) over so_far as bytes
    from chosen c
    cross join lateral (
      select e.* from sluice.events e where e.stream_id = latest_page.stream_id and e.position = c.position limit 1
    ) e
    window so_far as (order by c.position rows unbounded preceding)
  ), page as (
    select z.*, z.available > count(*) over () as is_cut from sized z
    where z.place <= at_most and (z.bytes <= max_bytes or z.place = 1)
  )
  select 'page', latest_page.anchor, coalesce(p.is_cut, false), p.position, p.event_id, p.at, p.type, p.data::text, p.attributes::text
  from (values (1)) as one
  left join page p on true
  order by p.position;
end
$$;

comment on function sluice.latest_page is
  'The newest event of each key among the positions up to up_to, which is the event up_to_id, in the order of their positions, '
  'after a position. An event that was superseded beyond up_to may be missing. One row at least, with the outcome: page; lost (there '
  'is no such event at up_to); behind (the index lacks more than most_behind events); unindexed (there is no index for this key, '
  'and more than most_unindexed events, or 16 times max_bytes). anchor: the event at the position after. more: the page was cut.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
