-- Up Migration

-- Watched tables that do not show all columns in one stream cost less, too, and so does a bulk load that publishes a marker.

drop function sluice.rows_statement(oid, json, text, boolean);
create function sluice.rendered_rows(relation oid, options json, source text) returns text
language plpgsql
as $$
declare
  columns text[] := case when options ->> 'columns' is not null then array(select json_array_elements_text(options -> 'columns')) end;
  shown text;
  workspaces text;
  streams text;
  computes boolean;
begin
  -- How each column is rendered.
  select string_agg(r.expression || ' as ' || quote_ident(r.name), ', ' order by r.place) filter (where r.place is not null),
    max(r.expression || '::text') filter (where r.name = options ->> 'workspace_column'),
    max(r.expression || '::text') filter (where r.name = options ->> 'stream_column'),
    bool_or(r.computed)
  into shown, workspaces, streams, computes
  from (
    select a.attname::text as name, case when columns is null then a.attnum else array_position(columns, a.attname::text) end as place,
      a.attgenerated = 'v' as computed,
      case
        when a.attgenerated = 'v' then
          (select format('(%s)', pg_get_expr(d.adbin, d.adrelid)) from pg_attrdef d where d.adrelid = relation and d.adnum = a.attnum)
        when a.atttypid < 16384 or (select t.typbasetype between 1 and 16383 from pg_type t where t.oid = a.atttypid) then
          'r.' || quote_ident(a.attname)
        else format('case when num_nulls(r.%1$I) = 0 then format(''%%s'', r.%1$I) end', a.attname)
      end as expression
    from pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      -- A virtual column that depends on nothing but other columns and built-in functions.
      and (a.attgenerated <> 'v' or not exists (
        select from pg_depend e join pg_attrdef d on d.oid = e.objid
        where d.adrelid = relation and d.adnum = a.attnum
          and e.classid = 'pg_attrdef'::regclass and e.refclassid <> 'pg_class'::regclass
      ))
  ) r;
  if workspaces is null and options ->> 'workspace_column' is not null or streams is null and options ->> 'stream_column' is not null then
    perform sluice.refuse_watch(
      format('%s has lost the column that names the workspace or the stream of its rows', relation::regclass),
      'Watch the table again: select sluice.watch(…).');
  end if;

  if computes then
    source := format('(select t.*, %s::oid as tableoid from %s t)', relation, source);
  end if;
  return format(
    '(select row_number() over () - 1 as place, %s as workspace, %s as stream, row_to_json(c) as data '
    'from %s r cross join lateral (select %s) c)',
    coalesce(workspaces, 'null::text'), coalesce(streams, 'null::text'), source, shown);
end
$$;

comment on function sluice.rendered_rows is
  'Internal. A subquery that returns the rows of a transition table: their place from 0 on, their workspace, stream and data. A '
  'workspace or stream is null if no column names it.';

create or replace function sluice.publish_changes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC' set datestyle = 'ISO, MDY' set intervalstyle = postgres
set bytea_output = hex set extra_float_digits = 1 set lc_monetary = 'C'
set enable_hashjoin = on set enable_mergejoin = on set enable_sort = on
as $$
declare
  -- The options of sluice.watch. The table's owner may have written them.
  options json := tg_argv[0];
  name text := options ->> 'name';
  keeps text := options ->> 'old';
  -- The workspace and the stream of all rows; null if each row names it.
  the_workspace text := options ->> 'workspace';
  the_stream text := options ->> 'stream';
  workspace_column text := options ->> 'workspace_column';
  stream_column text := options ->> 'stream_column';
  fixed boolean := the_workspace is not null and the_stream is not null;
  expressed boolean := options ->> 'stream_expression' is not null;
  judged boolean := expressed or options ->> 'condition' is not null;
  judgements text[];
  off boolean := current_setting('sluice.watch', true) is not distinct from 'off';
  turn bigint;
  -- Columns that row_to_json must not see or does not know; columns whose JSON may have many levels; and whether the columns
  -- that name the workspace and the stream are the same in JSON as in text.
  special boolean;
  deep boolean;
  legible boolean;
  -- At most 2.
  amount int;
  -- Of a single row.
  new_json json;
  old_json json;
  new_row text[];
  old_row text[];
  new_stream text;
  old_stream text;
  new_text text;
  old_text text;
  changes text[] := '{}';
  reason text;
  -- Statements that return all rows: as subqueries, as changes, and in chunks of 256.
  new_rows text;
  old_rows text;
  rows text;
  chunks constant text := 'select array_agg(r.workspace order by r.place), array_agg(r.stream order by r.place), '
    'array_agg(r.data order by r.place) from %s r group by r.place / 256 order by r.place / 256';
  changed boolean;
  new_chunks refcursor;
  old_chunks refcursor;
  new_workspaces text[];
  new_streams text[];
  new_data json[];
  old_workspaces text[];
  old_streams text[];
  old_data json[];
  chunk int := 0;
  part record;
  no_workspaces bigint := 0;
  no_workspace text;
  no_streams bigint := 0;
  no_stream text;
begin
  if not coalesce(sluice.is_type(name || '.created'), false) or starts_with(name || '.', 'job.') then
    perform sluice.check_type(name || '.created');
  end if;
  if fixed then
    perform from sluice.streams s
    where s.workspace = the_workspace and s.name = the_stream and s.kind = 'feed' and s.closed_at is null;
    if not found or coalesce(current_setting('sluice.workspace', true), '') not in ('', the_workspace) then
      perform sluice.check_target(the_workspace, the_stream);
    end if;
  end if;
  if strpos(current_setting('sluice.turns', true), format('%s.%s.', tg_relid, tg_op)) > 0 then
    turn := sluice.begun_turn(tg_relid, tg_op);
  end if;
  select coalesce(bool_or(a.atttypid >= 16384 or a.attgenerated = 'v'), false),
    coalesce(bool_or(
      a.atttypid >= 16384 or a.atttypid in ('json'::regtype, 'jsonb'::regtype, 'json[]'::regtype, 'jsonb[]'::regtype)
    ), false),
    count(*) filter (
      where a.attname in (workspace_column, stream_column)
        and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'smallint'::regtype, 'int'::regtype, 'bigint'::regtype)
    ) = num_nonnulls(workspace_column, stream_column)
  into special, deep, legible
  from pg_attribute a where a.attrelid = tg_relid and a.attnum > 0 and not a.attisdropped;
  -- JSON with \u0000 cannot be taken apart.
  legible := legible and not deep or num_nonnulls(workspace_column, stream_column, options ->> 'columns') = 0;

  -- All columns, in one stream: these plans are made once for a session.
  if fixed and not judged and not off and not special and options ->> 'columns' is null then
    case tg_op
      when 'INSERT' then
        insert into sluice.pending (workspace, stream, type, batch, leads, turn)
        select the_workspace, the_stream, name || '.created',
          array_agg(
            case when sluice.fits(r.data, deep) then r.data else sluice.row_data(r.data::text, null, keeps, tg_relid)::json end
            order by r.place
          ),
          r.place / 256 = 0, turn
        from (select row_number() over () - 1 as place, row_to_json(t) as data from new_rows t) r
        group by r.place / 256 order by r.place / 256;
      when 'DELETE' then
        insert into sluice.pending (workspace, stream, type, batch, leads, turn)
        select the_workspace, the_stream, name || '.deleted',
          array_agg(
            case when sluice.fits(r.data, deep) then r.data else sluice.row_data(r.data::text, null, keeps, tg_relid)::json end
            order by r.place
          ),
          r.place / 256 = 0, turn
        from (select row_number() over () - 1 as place, row_to_json(t) as data from old_rows t) r
        group by r.place / 256 order by r.place / 256;
      else
        insert into sluice.pending (workspace, stream, type, batch, leads, turn)
        select the_workspace, the_stream, name || '.updated',
          array_agg(
            case
              when keeps = 'none' and sluice.fits(n.data, deep) then n.data
              else sluice.row_data(n.data::text, o.data::text, keeps, tg_relid)::json
            end order by place
          ),
          row_number() over (order by place / 256) = 1, turn
        from (select row_number() over () - 1 as place, row_to_json(t) as data from new_rows t) n
        join (select row_number() over () - 1 as place, row_to_json(t) as data from old_rows t) o using (place)
        where n.data::text <> o.data::text
        group by place / 256 order by place / 256;
    end case;
    return null;
  end if;

  if judged then
    judgements := nullif(current_setting('sluice.change', true), '')::text[];
    perform set_config('sluice.change', '', true);
  end if;
  if tg_op = 'DELETE' then
    select count(*) into amount from (select from old_rows limit 2) r;
  else
    select count(*) into amount from (select from new_rows limit 2) r;
  end if;

  -- A single row needs no statement of its own.
  if amount = 1 and legible and not special and not off then
    if judged then
      if not coalesce(starts_with(judgements[1], '1'), false) then
        return null;
      end if;
      new_stream := case when expressed then substr(nullif(split_part(judgements[1], '|', 2), ''), 2) end;
      old_stream := case when expressed then substr(nullif(split_part(judgements[1], '|', 3), ''), 2) end;
    end if;
    if tg_op <> 'DELETE' then
      select row_to_json(t) into new_json from new_rows t;
      new_row := array[
        coalesce(the_workspace, new_json ->> workspace_column), coalesce(the_stream, new_json ->> stream_column, new_stream)
      ];
    end if;
    if tg_op <> 'INSERT' then
      select row_to_json(t) into old_json from old_rows t;
      old_row := array[
        coalesce(the_workspace, old_json ->> workspace_column), coalesce(the_stream, old_json ->> stream_column, old_stream)
      ];
    end if;
    new_text := new_json;
    old_text := old_json;
    if options ->> 'columns' is not null then
      select '{' || coalesce(string_agg(to_json(c.name)::text || ':' || (new_json -> c.name)::text, ',' order by c.place), '') || '}',
        '{' || coalesce(string_agg(to_json(c.name)::text || ':' || (old_json -> c.name)::text, ',' order by c.place), '') || '}'
      into new_text, old_text
      from json_array_elements_text(options -> 'columns') with ordinality as c (name, place);
    end if;
    -- As for many rows: (workspace, stream, change, data, previous data) for each event.
    if tg_op = 'UPDATE' and new_row = old_row then
      if new_text <> old_text then
        changes := new_row || array['updated', new_text, old_text];
      end if;
    else
      if tg_op <> 'INSERT' then
        changes := old_row || array['deleted', old_text, null];
      end if;
      if tg_op <> 'DELETE' then
        changes := changes || new_row || array['created', new_text, null];
      end if;
    end if;
    for i in 1 .. cardinality(changes) by 5 loop
      continue when changes[i] is null or changes[i + 1] is null;
      if not fixed then
        reason := sluice.why_unpublished(changes[i], changes[i + 1]);
        if reason is not null then
          perform sluice.note_unpublished(tg_relid, reason, case reason when 'workspace' then changes[i] else changes[i + 1] end, 1);
          continue;
        end if;
      end if;
      insert into sluice.pending (workspace, stream, type, data, turn, watched)
      values (changes[i], changes[i + 1], name || '.' || changes[i + 2],
        case
          when (keeps = 'none' or changes[i + 4] is null) and sluice.fits(changes[i + 3]::json, deep) then changes[i + 3]::json
          else sluice.row_data(changes[i + 3], changes[i + 4], keeps, tg_relid)::json
        end,
        turn, case when not fixed then tg_relid end);
    end loop;
    return null;
  end if;

  if tg_op <> 'DELETE' then
    new_rows := sluice.rendered_rows(tg_relid, options, 'new_rows');
  end if;
  if tg_op <> 'INSERT' then
    old_rows := sluice.rendered_rows(tg_relid, options, 'old_rows');
  end if;
  if fixed and not judged then
    rows := case tg_op
      when 'INSERT' then format('select n.place, n.data, null::json as old from %s n', new_rows)
      when 'DELETE' then format('select o.place, o.data, null::json as old from %s o', old_rows)
      else format('select place, n.data, o.data as old from %s n join %s o using (place) where n.data::text <> o.data::text',
        new_rows, old_rows)
    end;
    if off then
      execute format('select exists (%s)', rows) into changed;
      if changed and not exists (
        select from sluice.pending p where p.transaction_id = pg_current_xact_id() and p.workspace = the_workspace
          and p.stream = the_stream and p.type = name || '.bulk_changed'
      ) then
        insert into sluice.pending (workspace, stream, type, data, turn)
        values (the_workspace, the_stream, name || '.bulk_changed', '{}', turn);
      end if;
    else
      -- As above, with the columns that are shown.
      execute format(
        'insert into sluice.pending (workspace, stream, type, batch, leads, turn) '
        'select $1, $2, $3, array_agg(case when $4 = ''none'' and sluice.fits(r.data, $5) then r.data '
        'else sluice.row_data(r.data::text, r.old::text, $4, $6)::json end order by r.place), '
        'row_number() over (order by r.place / 256) = 1, $7 from (%s) r group by r.place / 256 order by r.place / 256', rows)
      using the_workspace, the_stream, name || case tg_op when 'INSERT' then '.created' when 'DELETE' then '.deleted' else '.updated' end,
        keeps, deep, tg_relid::regclass, turn;
    end if;
    return null;
  end if;

  if new_rows is not null then
    open new_chunks for execute format(chunks, new_rows);
  end if;
  if old_rows is not null then
    open old_chunks for execute format(chunks, old_rows);
  end if;
  loop
    if tg_op <> 'DELETE' then
      fetch new_chunks into new_workspaces, new_streams, new_data;
    end if;
    if tg_op <> 'INSERT' then
      fetch old_chunks into old_workspaces, old_streams, old_data;
    end if;
    exit when not found;
    chunk := chunk + 1;
    for part in
      with changes as materialized (
        select r.place, c.half, c.workspace, c.stream, name || '.' || c.change as type, c.data, c.old
        from (
          select r.place, r.new_data, r.old_data,
            coalesce(the_workspace, r.new_workspace) as new_workspace, coalesce(the_workspace, r.old_workspace) as old_workspace,
            case
              when expressed then substr(nullif(split_part(r.line, '|', 2), ''), 2) else coalesce(the_stream, r.new_stream)
            end as new_stream,
            case
              when expressed then substr(nullif(split_part(r.line, '|', 3), ''), 2) else coalesce(the_stream, r.old_stream)
            end as old_stream
          from rows from (
            unnest(new_workspaces), unnest(new_streams), unnest(new_data), unnest(old_workspaces), unnest(old_streams), unnest(old_data),
            string_to_table(judgements[chunk], chr(10))
          ) with ordinality as r (new_workspace, new_stream, new_data, old_workspace, old_stream, old_data, line, place)
          where not judged or starts_with(r.line, '1')
        ) r
        cross join lateral (values
          (1, r.old_workspace, r.old_stream, 'deleted', r.old_data, null::json),
          (2, r.new_workspace, r.new_stream, 'created', r.new_data, null),
          (3, r.new_workspace, r.new_stream, 'updated', r.new_data, r.old_data)
        ) as c (half, workspace, stream, change, data, old)
        where c.workspace is not null and c.stream is not null and case
          when tg_op = 'INSERT' then c.half = 2
          when tg_op = 'DELETE' then c.half = 1
          when r.new_workspace is distinct from r.old_workspace or r.new_stream is distinct from r.old_stream then c.half < 3
          else c.half = 3 and r.new_data::text <> r.old_data::text
        end
      ),
      targets as materialized (
        select t.workspace, t.stream, case when not fixed then sluice.why_unpublished(t.workspace, t.stream) end as reason
        from (select distinct c.workspace, c.stream from changes c) t
      ),
      stored as (
        insert into sluice.pending (workspace, stream, type, batch, batch_types, leads, turn, watched)
        select c.workspace, c.stream, min(c.type),
          array_agg(
            case
              when keeps = 'none' and sluice.fits(c.data, deep) then c.data
              else sluice.row_data(c.data::text, c.old::text, keeps, tg_relid)::json
            end order by c.place, c.half
          ),
          case when min(c.type) <> max(c.type) then array_agg(c.type order by c.place, c.half) end,
          row_number() over (order by min(c.place)) = 1, turn, case when not fixed then tg_relid end
        from changes c join targets t on t.workspace = c.workspace and t.stream = c.stream
        where not off and t.reason is null
        group by c.workspace, c.stream order by min(c.place)
      ),
      marked as (
        insert into sluice.pending (workspace, stream, type, data, turn, watched)
        select t.workspace, t.stream, name || '.bulk_changed', '{}', turn, case when not fixed then tg_relid end
        from targets t
        where off and t.reason is null and not exists (
          select from sluice.pending p where p.transaction_id = pg_current_xact_id() and p.workspace = t.workspace
            and p.stream = t.stream and p.type = name || '.bulk_changed'
        ) order by t.workspace, t.stream
      )
      select t.reason, min(case t.reason when 'workspace' then t.workspace else t.stream end) as value, count(*) as amount
      from targets t join changes c on c.workspace = t.workspace and c.stream = t.stream
      where t.reason is not null group by t.reason
    loop
      if part.reason = 'workspace' then
        no_workspaces := no_workspaces + part.amount;
        no_workspace := part.value;
      else
        no_streams := no_streams + part.amount;
        no_stream := part.value;
      end if;
    end loop;
  end loop;
  if no_workspaces > 0 then
    perform sluice.note_unpublished(tg_relid, 'workspace', no_workspace, no_workspaces);
  end if;
  if no_streams > 0 then
    perform sluice.note_unpublished(tg_relid, 'stream', no_stream, no_streams);
  end if;
  return null;
end
$$;

revoke all on all functions in schema sluice from public;
