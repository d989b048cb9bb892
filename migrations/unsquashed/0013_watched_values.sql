-- Up Migration

-- The events of a watched table show the values that are in the table, whoever writes. The text of a value hung on
-- settings of the writer (TimeZone, bytea_output, IntervalStyle, …), which sluice.pin_functions() has ended. And a
-- virtual generated column (PostgreSQL 18) is not computed for triggers, so it is computed here.

create or replace function sluice.describe_change() returns trigger
language plpgsql
as $$
declare
  -- Arguments: the name, the workspace, and a statement that takes a row and returns (workspace, data), or ''.
  old_workspace text := tg_argv[1];
  new_workspace text := tg_argv[1];
  old_data json;
  new_data json;
  changes text[] := '{}';
  -- A statement that takes a row and returns it whole. The catalogue is asked each time: an expression may be changed,
  -- and a column added, while the table is watched. Here and not in a function, for which a writer has no right.
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

comment on function sluice.watch is
  'Publishes the changes of a table as <name>.created, .updated and .deleted with the row (after the change; before it, of a '
  'deleted one) as data, and <name>.truncated with {}. name: default the table''s. workspace: that of all rows; or '
  'workspace_column: the column that holds it. A row that moves to another workspace is deleted in the one and created in the '
  'other; a row whose workspace is null belongs to nobody and publishes nothing. columns: what events show; default all. An '
  'update that changes none of what is shown publishes nothing. Watching again replaces. '
  'A row of more than 256 KiB as JSON fails its write with SL002: watch fewer columns. '
  'After a shown column is renamed or dropped, watch again. '
  'Values are written as with TimeZone UTC, DateStyle ISO, IntervalStyle postgres, bytea_output hex and lc_monetary C, '
  'whatever the writer''s settings are. '
  'Partitioned tables: watch the parent; a row that moves to another partition is deleted and created, and a TRUNCATE of one '
  'partition alone, like ATTACH and DETACH, publishes nothing. A TRUNCATE with workspace_column reads the table as the caller. '
  'Only the table''s owner may call it, with: grant usage on schema sluice to app; grant execute on function sluice.watch, '
  'sluice.unwatch, sluice.refuse_watch, sluice.is_workspace, sluice.is_stream, sluice.is_type, sluice.describe_change, sluice.describe_truncate, sluice.publish_change to app;';

revoke all on all functions in schema sluice from public;
