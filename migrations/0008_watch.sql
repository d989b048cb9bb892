-- Up Migration

-- Watch: the inserts, updates and deletes of an application's table become events, whatever program makes them.
--
-- Invariant: the events show the values that are in the table, whatever the writer's settings are.
-- sluice.pin_functions() pins how values are written as text, and describe_change computes the virtual generated columns
-- (PostgreSQL 18), which are not computed for triggers.
--
-- Two triggers share the work, because neither may do all of it. The first runs with the writer's rights: turning a row
-- into JSON calls casts that the owner of a column's type has defined, and with the rights of Sluice's owner those casts
-- could take over Sluice. The second runs with the rights of Sluice's owner, because a writer need not be allowed to
-- publish. The first passes its result to the second in the setting sluice.change: a text[] with (workspace, type, data)
-- for each event. Forging that setting gains nothing: it can only make events of the table, which the table's owner could
-- make anyway.

create function sluice.describe_change() returns trigger
language plpgsql
as $$
declare
  -- Arguments: the name, the workspace, and a statement that takes a row and returns (workspace, data), or ''.
  old_workspace text := tg_argv[1];
  new_workspace text := tg_argv[1];
  old_data json;
  new_data json;
  changes text[] := '{}';
  -- A statement that takes a row and returns it with its virtual columns. It is built from the catalogue each time, because
  -- an expression may change, or a column be added, while the table is watched. It stands here and not in a function of its
  -- own, because the writer would have no right to execute that.
  completion text;
  completed record;
begin
  if current_setting('server_version_num')::int >= 180000 and exists (
    select from pg_attribute a where a.attrelid = tg_relid and a.attgenerated = 'v' and not a.attisdropped
  ) then
    select format('select row(%s)::%s as "row" from (select ($1).*, %L::oid as tableoid) r', string_agg(
      case when a.attgenerated = 'v' then '(' || pg_get_expr(d.adbin, d.adrelid) || ')' else format('r.%I', a.attname) end,
      ', ' order by a.attnum), tg_relid::regclass, tg_relid)
    into completion
    from pg_attribute a
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = tg_relid and a.attnum > 0 and not a.attisdropped;
  end if;

  if tg_op <> 'INSERT' then
    if completion is not null then
      execute completion into completed using old;
      execute coalesce(nullif(tg_argv[2], ''), 'select $2, row_to_json($1)') into old_workspace, old_data
        using completed."row", old_workspace;
    elsif tg_argv[2] = '' then
      old_data := row_to_json(old);
    else
      execute tg_argv[2] into old_workspace, old_data using old;
    end if;
  end if;
  if tg_op <> 'DELETE' then
    if completion is not null then
      execute completion into completed using new;
      execute coalesce(nullif(tg_argv[2], ''), 'select $2, row_to_json($1)') into new_workspace, new_data
        using completed."row", new_workspace;
    elsif tg_argv[2] = '' then
      new_data := row_to_json(new);
    else
      execute tg_argv[2] into new_workspace, new_data using new;
    end if;
  end if;

  if tg_op = 'UPDATE' and new_workspace is not distinct from old_workspace then
    if new_data::text <> old_data::text then
      changes := array[new_workspace, tg_argv[0] || '.updated', new_data::text];
    end if;
  else
    if tg_op <> 'INSERT' then
      changes := array[old_workspace, tg_argv[0] || '.deleted', old_data::text];
    end if;
    if tg_op <> 'DELETE' then
      changes := changes || array[new_workspace, tg_argv[0] || '.created', new_data::text];
    end if;
  end if;
  perform set_config('sluice.change', changes::text, true);
  return null;
end
$$;

comment on function sluice.describe_change is
  'Trigger of watched tables, with the writer''s rights. Describes the change of a row as events, for publish_change.';

create function sluice.describe_truncate() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Arguments: the name, the workspace, and the column that holds it instead, or ''.
  workspaces text[] := array[tg_argv[1]];
begin
  if tg_argv[2] <> '' then
    execute format('select array_agg(distinct %I::text) from %s', tg_argv[2], tg_relid::regclass) into workspaces;
  end if;
  perform set_config('sluice.change', array(
    select unnest(array[w.workspace, tg_argv[0] || '.truncated', '{}'])
    from unnest(workspaces) with ordinality as w (workspace, place) order by w.place
  )::text, true);
  return null;
end
$$;

comment on function sluice.describe_truncate is
  'Trigger of watched tables, with the writer''s rights. Describes a TRUNCATE as an event of each workspace that loses rows, '
  'for publish_change.';

create function sluice.publish_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  changes text[] := nullif(current_setting('sluice.change', true), '')::text[];
begin
  for i in 1 .. coalesce(cardinality(changes), 0) by 3 loop
    -- A row whose workspace is null belongs to no workspace, so it publishes nothing.
    continue when changes[i] is null;
    perform sluice.enqueue(changes[i], tg_argv[0], changes[i + 1], changes[i + 2]::json, null, tg_relid::regclass);
  end loop;
  perform set_config('sluice.change', '', true);
  return null;
end
$$;

comment on function sluice.publish_change is
  'Trigger of watched tables, with the rights of Sluice''s owner. Publishes the events that the previous trigger described.';

create function sluice.refuse_watch(reason text, remedy text) returns void
language plpgsql
as $$
begin
  raise exception using errcode = 'SL003', message = 'invalid watch: ' || reason, hint = remedy;
end
$$;

comment on function sluice.refuse_watch is 'Internal. Raises SL003: the watch is not possible.';

create function sluice.unwatch(target regclass) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger_name name;
  watched boolean := false;
begin
  for trigger_name in
    select t.tgname from pg_trigger t
    where t.tgrelid = target and t.tgparentid = 0 and t.tgname ~ '^sluice_watch_[12]_'
    order by t.tgname
  loop
    execute format('drop trigger %I on %s', trigger_name, target);
    watched := true;
  end loop;
  return watched;
end
$$;

comment on function sluice.unwatch is 'Ends a watch. Returns false when the table was not watched. Only the table''s owner may call it.';

create function sluice.watch(
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
    perform sluice.refuse_watch(format('%s is not a table', target), 'Watch the tables that it reads.');
  end if;
  if relation.schema in ('sluice', 'pg_catalog', 'information_schema') then
    perform sluice.refuse_watch(format('%s is not a table of an application', target), 'Watch tables of your own.');
  end if;
  if not relation.owned then
    perform sluice.refuse_watch(format('%s belongs to another role', target),
      'Let its owner call this: every client that follows the events reads the rows.');
  end if;
  if (workspace is null) = (workspace_column is null) then
    perform sluice.refuse_watch('it needs either workspace or workspace_column',
      'workspace is the workspace of all rows; workspace_column is the column that holds each row''s workspace.');
  end if;
  if workspace is not null and not sluice.is_workspace(workspace) then
    perform sluice.refuse_watch(format('%L is not a workspace', left(workspace, 200)),
      'A workspace is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : @ - and starts with a letter or a digit.');
  end if;
  if not coalesce(sluice.is_stream(stream), false) then
    perform sluice.refuse_watch(format('%L is not a stream', left(stream, 200)),
      'A stream is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter or a digit.');
  end if;
  -- With ".truncated" appended, the name must be a type.
  if not sluice.is_type(name || '.truncated') then
    perform sluice.refuse_watch(format('%L cannot be the first part of a type', left(name, 200)),
      'Pass a name of 1 to 118 characters out of A-Z a-z 0-9 . _ : / - that starts with a letter.');
  end if;
  if starts_with(name || '.', 'job.') then
    perform sluice.refuse_watch(format('types that start with %L are reserved for the gateway''s jobs', left(name, 200) || '.'),
      'Pass another name, such as task.');
  end if;
  if cardinality(columns) = 0 or cardinality(columns) > cardinality(array(select distinct unnest(columns))) then
    perform sluice.refuse_watch('columns is empty or names a column twice',
      'Name each column that events show once, or omit columns to show all.');
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
    perform sluice.refuse_watch(format('%s is watched already, through its partitioned table or through its partitions', target),
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
  -- Triggers on the same change fire in the order of their names.
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

comment on function sluice.watch is
  'Publishes the changes of a table as <name>.created, <name>.updated and <name>.deleted, with the row as data (a deleted row '
  'as it was), and <name>.truncated with {}. name: by default the table''s name. Pass either workspace, the workspace of all '
  'rows, or workspace_column, the column that holds each row''s workspace. A row that moves to another workspace is deleted in '
  'the old one and created in the new one; a row whose workspace is null publishes nothing. columns: the columns that events '
  'show, by default all. An update that changes none of them publishes nothing. Watching a table again replaces its watch. '
  'A write of a row of more than 256 KiB as JSON fails with SL002: watch fewer columns. '
  'After a shown column was renamed or dropped, watch the table again. '
  'Values are written as with TimeZone UTC, DateStyle ISO, IntervalStyle postgres, bytea_output hex and lc_monetary C, '
  'whatever the writer''s settings are. '
  'Partitioned tables: watch the parent. A row that moves to another partition is deleted and created. A TRUNCATE, ATTACH or '
  'DETACH of a single partition publishes nothing. A TRUNCATE with workspace_column reads the table with the caller''s rights. '
  'Only the table''s owner may call it, with: grant usage on schema sluice to app; grant execute on function sluice.watch, '
  'sluice.unwatch, sluice.refuse_watch, sluice.is_workspace, sluice.is_stream, sluice.is_type, sluice.describe_change, '
  'sluice.describe_truncate, sluice.publish_change to app;';

revoke all on all functions in schema sluice from public;
