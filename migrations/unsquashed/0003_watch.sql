-- Up Migration

-- Watch: the inserts, updates and deletes of a table of the application become events, whoever writes.
--
-- Two triggers share the work, because neither may do all of it. The first runs as whoever writes: making JSON of a
-- row calls casts that the owner of a column's type has defined, and with the rights of Sluice's owner that
-- would be a way to take them over. The second runs as Sluice's owner, because a writer need not be allowed to publish.
-- The first hands over by the setting sluice.change, a text[] of (workspace, type, data) for each event.
-- Nothing is gained by forging it: a writer can only make events of the table, and its owner could do that anyway.

create function sluice.describe_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Arguments: the name, the workspace, and a statement that takes a row and returns (workspace, data), or ''.
  old_workspace text := tg_argv[1];
  new_workspace text := tg_argv[1];
  old_data json;
  new_data json;
  changes text[] := '{}';
begin
  if tg_op <> 'INSERT' then
    if tg_argv[2] = '' then
      old_data := row_to_json(old);
    else
      execute tg_argv[2] into old_workspace, old_data using old;
    end if;
  end if;
  if tg_op <> 'DELETE' then
    if tg_argv[2] = '' then
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
  'Trigger of watched tables, as the writer: hands over what a change of a row means as events.';

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
  'Trigger of watched tables, as the writer: hands over which workspaces lose rows by a TRUNCATE.';

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
    -- A row without a workspace belongs to nobody, so nobody is told.
    continue when changes[i] is null;
    perform sluice.enqueue(changes[i], tg_argv[0], changes[i + 1], changes[i + 2]::json, null, tg_relid::regclass);
  end loop;
  perform set_config('sluice.change', '', true);
  return null;
end
$$;

comment on function sluice.publish_change is
  'Trigger of watched tables, as Sluice''s owner: publishes what the trigger before it has handed over.';

create function sluice.refuse_watch(reason text, remedy text) returns void
language plpgsql
as $$
begin
  raise exception using errcode = 'SL003', message = 'invalid watch: ' || reason, hint = remedy;
end
$$;

comment on function sluice.refuse_watch is 'Internal. Raises SL003.';

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

comment on function sluice.unwatch is 'Ends a watch. False when the table was not watched. Only its owner may do so.';

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

comment on function sluice.watch is
  'Publishes the changes of a table as <name>.created, .updated and .deleted with the row (after the change; before it, of a '
  'deleted one) as data, and <name>.truncated with {}. name: default the table''s. workspace: that of all rows; or '
  'workspace_column: the column that holds it. A row that moves to another workspace is deleted in the one and created in the '
  'other; a row whose workspace is null belongs to nobody and publishes nothing. columns: what events show; default all. An '
  'update that changes none of what is shown publishes nothing. Watching again replaces. '
  'A row of more than 256 KiB as JSON fails its write with SL002: watch fewer columns. '
  'After a shown column is renamed or dropped, watch again. A virtual generated column (PostgreSQL 18) shows as null. '
  'Partitioned tables: watch the parent; a row that moves to another partition is deleted and created, and a TRUNCATE of one '
  'partition alone, like ATTACH and DETACH, publishes nothing. A TRUNCATE with workspace_column reads the table as the caller. '
  'Only the table''s owner may call it, with: grant usage on schema sluice to app; grant execute on function sluice.watch, '
  'sluice.unwatch, sluice.refuse_watch, sluice.is_workspace, sluice.is_stream, sluice.is_type, sluice.describe_change, sluice.describe_truncate, sluice.publish_change to app;';

revoke all on all functions in schema sluice from public;
