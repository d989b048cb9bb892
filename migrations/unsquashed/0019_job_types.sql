-- Up Migration

-- What the gateway says of jobs, only the gateway says: job.created, job.completed and the like are facts about a lease
-- and a row of sluice.jobs, and whoever follows the feed acts on them. Its own path is sluice.record, which writes below
-- the checks that are made here.

-- A table that is watched under that name would fail its writers from here on, so it is told now.
do $$
declare
  watched text;
begin
  select string_agg(t.tgrelid::regclass::text, ', ') into watched
  from pg_trigger t
  where t.tgname = 'sluice_watch_1_describe' and t.tgparentid = 0
    -- The first argument is "job", or starts with "job.": text in bytes that end with a zero.
    and encode(t.tgargs, 'hex') ~ '^6a6f62(00|2e)';
  if watched is not null then
    raise exception using
      message = format('these tables are watched as job: %s. Events whose type starts with job. are the gateway''s own', watched),
      hint = 'Watch each under another name, or unwatch it, and start again: select sluice.watch(…, name => ''task'').';
  end if;
end
$$;

create or replace function sluice.check_type(type text, system boolean default false) returns void
language plpgsql immutable
as $$
begin
  if not coalesce(sluice.is_type(type), false) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is not a type', coalesce(quote_literal(left(type, 200)), 'null')),
      detail = 'A type is 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter.',
      hint = 'Name what happened, such as item.created.';
  end if;
  if not system and type = any (sluice.reserved_types()) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the type %L is reserved', type),
      detail = 'Clients receive messages of this name that are not events, and could not tell them apart.',
      hint = 'Name what happened, such as item.created.';
  end if;
  if not system and starts_with(type, 'job.') then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the type %L is reserved', type),
      detail = 'Types that start with job. tell of the status of a job. Only the gateway says them, when the status changes.',
      hint = 'Name what happened otherwise, such as build.completed.';
  end if;
end
$$;

create or replace function sluice.watch(
  target regclass,
  name text default null,
  workspace text default null,
  workspace_column name default null,
  stream text default 'feed',
  columns name[] default null
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  relation record;
  unknown text;
  shown text := 'row_to_json($1)';
  extraction text := '';
begin
  select c.relname, c.relkind, c.relnamespace::regnamespace::text as schema, c.relispartition,
    pg_has_role(c.relowner, 'USAGE') as owned
  into relation
  from pg_class c where c.oid = target;
  if not found then
    perform sluice.refuse_watch('there is no such table', 'Pass the table, such as ''public.orders''.');
  end if;
  name := coalesce(name, relation.relname);

  if relation.relkind not in ('r', 'p') then
    perform sluice.refuse_watch(format('%s is not a table', target), 'Watch the tables that it shows.');
  end if;
  if relation.schema in ('sluice', 'pg_catalog', 'information_schema') then
    perform sluice.refuse_watch(format('%s is not a table of an application', target), 'Watch tables of your own.');
  end if;
  if not relation.owned then
    perform sluice.refuse_watch(format('%s belongs to another role', target),
      'Let its owner call this: whoever follows the events reads the rows.');
  end if;
  if (workspace is null) = (workspace_column is null) then
    perform sluice.refuse_watch('it needs either workspace or workspace_column',
      'workspace is one for all rows; workspace_column is the column that says to whom a row belongs.');
  end if;
  if workspace is not null and not sluice.is_workspace(workspace) then
    perform sluice.refuse_watch(format('%L is not a workspace', left(workspace, 200)),
      'A workspace is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : @ - and starts with a letter or a digit.');
  end if;
  if not coalesce(sluice.is_stream(stream), false) then
    perform sluice.refuse_watch(format('%L is not a stream', left(stream, 200)),
      'A stream is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter or a digit.');
  end if;
  -- With ".truncated" it has to be a type.
  if not sluice.is_type(name || '.truncated') then
    perform sluice.refuse_watch(format('%L cannot be the first part of a type', left(name, 200)),
      'Pass a name of 1 to 118 characters out of A-Z a-z 0-9 . _ : / - that starts with a letter.');
  end if;
  if starts_with(name || '.', 'job.') then
    perform sluice.refuse_watch(format('types that start with %L are the gateway''s own, about jobs', left(name, 200) || '.'),
      'Pass another name, such as task.');
  end if;
  if cardinality(columns) = 0 or cardinality(columns) > cardinality(array(select distinct unnest(columns))) then
    perform sluice.refuse_watch('columns is empty or names a column twice',
      'Name each column that events show once, or leave columns out to show all.');
  end if;
  select string_agg(coalesce(quote_ident(u.name), 'null'), ', ') into unknown
  from unnest(case when workspace_column is null then columns else columns || workspace_column end) as u (name)
  where not exists (
    select from pg_attribute a
    where a.attrelid = target and a.attname = u.name and a.attnum > 0 and not a.attisdropped
  );
  if unknown is not null then
    perform sluice.refuse_watch(format('%s has no column %s', target, unknown), 'Name columns of the table.');
  end if;
  if exists (
    select from pg_trigger t
    where t.tgname ~ '^sluice_watch_[12]_' and t.tgparentid = 0 and t.tgrelid <> target and t.tgrelid in (
      select p.relid from pg_partition_tree(target) p union all select a.relid from pg_partition_ancestors(target) a
    )
  ) then
    perform sluice.refuse_watch(format('%s is watched already, as a part of a partitioned table or through its parts', target),
      'Watch the partitioned table alone; unwatch the other first.');
  end if;

  if columns is not null then
    select format('row_to_json(r.*) from (select %s) r', string_agg(format('($1).%I', u.name), ', ' order by u.place))
    into shown
    from unnest(columns) with ordinality as u (name, place);
  end if;
  if columns is not null or workspace_column is not null then
    extraction := format('select %s, %s', case when workspace is null then format('($1).%I::text', workspace_column) else quote_literal(workspace) end, shown);
  end if;

  perform sluice.unwatch(target);
  -- Triggers of one event fire in the order of their names.
  execute format(
    'create trigger sluice_watch_1_describe after insert or update or delete on %s '
    'for each row execute function sluice.describe_change(%L, %L, %L)',
    target, name, coalesce(workspace, ''), extraction);
  execute format(
    'create trigger sluice_watch_2_publish after insert or update or delete on %s '
    'for each row execute function sluice.publish_change(%L)',
    target, stream);
  execute format(
    'create trigger sluice_watch_1_describe_truncate before truncate on %s '
    'for each statement execute function sluice.describe_truncate(%L, %L, %L)',
    target, name, coalesce(workspace, ''), coalesce(workspace_column, ''));
  execute format(
    'create trigger sluice_watch_2_publish_truncate before truncate on %s '
    'for each statement execute function sluice.publish_change(%L)',
    target, stream);
end
$$;

revoke all on all functions in schema sluice from public;
