-- Up Migration

-- A watched table may have columns of any name, values of any width, another name than when it was watched, and writers without a
-- right on its schema.
--
-- Before, a column named "t" or "place" made each write of its table fail; after a renaming each TRUNCATE did; with a condition or
-- an expression so did each write through a view, of a role without a right on the table's schema. A watch of some columns made
-- JSON of all others of a single row. sluice.watch held its table locked while it read it.

create or replace function sluice.rendered_rows(relation oid, options json, source text) returns text
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
  -- The expression of a virtual column does not qualify the columns that it uses, so nothing else here is named like a column.
  return format(
    '(select row_number() over () - 1 as place, w."sluice workspace" as workspace, w."sluice stream" as stream, '
    'row_to_json(c.*) as data from %s r cross join lateral (select %s as "sluice workspace", %s as "sluice stream") w '
    'cross join lateral (select %s) c)',
    source, coalesce(workspaces, 'null::text'), coalesce(streams, 'null::text'), shown);
end
$$;

create or replace function sluice.judge_changes() returns trigger
language plpgsql
as $$
declare
  -- The options of sluice.watch.
  options json := tg_argv[0];
  condition text := coalesce(options ->> 'condition', 'true');
  stream text := case when options ->> 'stream_expression' is null then '''''' else format(
    E'coalesce(''='' || translate(left((%s\n)::text, 200), E''|\\n'', ''  ''), '''')', options ->> 'stream_expression') end;
  -- Nothing names the type of the rows: a writer through a view may have no right on the table's schema. And no column is named
  -- like the alias, which would stand for it.
  none text := format('(select t.* from (select) one left join %s t on false)', case tg_op when 'DELETE' then 'old_rows' else 'new_rows' end);
  new_row constant text := '(select row_number() over () - 1 as place, "sluice row" as "row" from (select t.* from new_rows t) "sluice row")';
  old_row text := replace(new_row, ' new_rows ', ' old_rows ');
  is_one boolean;
  judged text[];
begin
  if tg_op = 'DELETE' then
    select count(*) = 1 into is_one from (select from old_rows limit 2) r;
  else
    select count(*) = 1 into is_one from (select from new_rows limit 2) r;
  end if;
  if is_one then
    -- The same for a single row, which is quicker to plan.
    execute format(
      E'select array[case when (%s\n) then ''1|'' || %s || ''|'' || %s else ''0'' end] from %s new cross join %s old', condition,
      case tg_op when 'DELETE' then '''''' else stream end,
      case tg_op when 'INSERT' then '''''' else format('(select %s from (select t.* from old_rows t) new)', stream) end,
      case tg_op when 'DELETE' then none else '(select t.* from new_rows t)' end,
      case tg_op when 'INSERT' then none else '(select t.* from old_rows t)' end)
    into judged;
  else
    execute format(
      E'select array_agg(b.lines order by b.part) from ('
      'select c.place / 256 as part, string_agg(c.line, E''\n'' order by c.place) as lines from ('
      'select %s.place, case when (%s\n) then ''1|'' || %s || ''|'' || %s else ''0'' end as line from %s'
      ') c group by c.place / 256) b', case tg_op when 'DELETE' then 'o' else 'n' end, condition,
      case tg_op when 'DELETE' then '''''' else stream end,
      case tg_op when 'INSERT' then '''''' else format('(select %s from (select (o."row").*) new)', stream) end,
      case tg_op
        when 'INSERT' then format('%s n cross join lateral (select (n."row").*) new cross join %s old', new_row, none)
        when 'DELETE' then format('%s o cross join lateral (select (o."row").*) old cross join %s new', old_row, none)
        else format('%s n join %s o using (place) cross join lateral (select (n."row").*) new cross join lateral (select (o."row").*) old',
          new_row, old_row)
      end)
    into judged;
  end if;
  perform set_config('sluice.change', coalesce(judged::text, ''), true);
  return null;
end
$$;

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
  -- Whether a row may have values that are stored out of line.
  long boolean;
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
        from (select row_number() over () - 1 as place, row_to_json(t.*) as data from new_rows t) r
        group by r.place / 256 order by r.place / 256;
      when 'DELETE' then
        insert into sluice.pending (workspace, stream, type, batch, leads, turn)
        select the_workspace, the_stream, name || '.deleted',
          array_agg(
            case when sluice.fits(r.data, deep) then r.data else sluice.row_data(r.data::text, null, keeps, tg_relid)::json end
            order by r.place
          ),
          r.place / 256 = 0, turn
        from (select row_number() over () - 1 as place, row_to_json(t.*) as data from old_rows t) r
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
        from (select row_number() over () - 1 as place, row_to_json(t.*) as data from new_rows t) n
        join (select row_number() over () - 1 as place, row_to_json(t.*) as data from old_rows t) o using (place)
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

  -- For some columns of a row with long values, JSON of the whole row would cost more than a statement.
  if options ->> 'columns' is not null then
    select pg_relation_size(c.reltoastrelid) > 0 into long from pg_class c where c.oid = tg_relid and c.reltoastrelid <> 0;
  end if;

  -- A single row needs no statement of its own.
  if amount = 1 and legible and not special and not off and not coalesce(long, false) then
    if judged then
      if not coalesce(starts_with(judgements[1], '1'), false) then
        return null;
      end if;
      new_stream := case when expressed then substr(nullif(split_part(judgements[1], '|', 2), ''), 2) end;
      old_stream := case when expressed then substr(nullif(split_part(judgements[1], '|', 3), ''), 2) end;
    end if;
    if tg_op <> 'DELETE' then
      select row_to_json(t.*) into new_json from new_rows t;
      new_row := array[
        coalesce(the_workspace, new_json ->> workspace_column), coalesce(the_stream, new_json ->> stream_column, new_stream)
      ];
    end if;
    if tg_op <> 'INSERT' then
      select row_to_json(t.*) into old_json from old_rows t;
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

create or replace function sluice.describe_row() returns trigger
language plpgsql
as $$
declare
  -- Arguments: a statement that takes a row and returns (workspace, stream, data), or ''; the condition, or ''; the
  -- workspace; the stream.
  extraction text := coalesce(nullif(tg_argv[0], ''), 'select $2, $3, row_to_json($1)');
  old_workspace text := tg_argv[2];
  new_workspace text := tg_argv[2];
  old_stream text := tg_argv[3];
  new_stream text := tg_argv[3];
  old_data json;
  new_data json;
  matches boolean := true;
  changes text[] := '{}';
  -- A statement that takes a row and returns it with its virtual columns. It is built from the catalogue each time, because
  -- an expression may change, or a column be added, while the table is watched.
  completion text;
  old_row record;
  new_row record;
begin
  if current_setting('server_version_num')::int >= 180000 and exists (
    select from pg_attribute a where a.attrelid = tg_relid and a.attgenerated = 'v' and not a.attisdropped
  ) then
    select format('select row(%s)::%s as "row" from (select ($1).*, %L::oid as tableoid) r', string_agg(
      case when a.attgenerated = 'v' then format('(%s)', pg_get_expr(d.adbin, d.adrelid)) else format('r.%I', a.attname) end,
      ', ' order by a.attnum), tg_relid::regclass, tg_relid)
    into completion
    from pg_attribute a
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = tg_relid and a.attnum > 0 and not a.attisdropped;
  end if;
  if tg_argv[1] <> '' or completion is not null then
    -- A row of nulls, without the name of its type: a writer through a view may have no right on the table's schema.
    if tg_op = 'INSERT' then
      execute 'select case when false then $1 end as "row"' into old_row using new;
    else
      execute coalesce(completion, 'select $1 as "row"') into old_row using old;
    end if;
    if tg_op = 'DELETE' then
      execute 'select case when false then $1 end as "row"' into new_row using old;
    else
      execute coalesce(completion, 'select $1 as "row"') into new_row using new;
    end if;
  end if;
  if tg_argv[1] <> '' then
    execute tg_argv[1] into matches using new_row."row", old_row."row";
  end if;

  if matches then
    if tg_op <> 'INSERT' then
      if completion is not null then
        execute extraction into old_workspace, old_stream, old_data using old_row."row", old_workspace, old_stream;
      elsif tg_argv[0] = '' then
        old_data := row_to_json(old);
      else
        execute extraction into old_workspace, old_stream, old_data using old;
      end if;
    end if;
    if tg_op <> 'DELETE' then
      if completion is not null then
        execute extraction into new_workspace, new_stream, new_data using new_row."row", new_workspace, new_stream;
      elsif tg_argv[0] = '' then
        new_data := row_to_json(new);
      else
        execute extraction into new_workspace, new_stream, new_data using new;
      end if;
    end if;

    if tg_op = 'UPDATE' and new_workspace is not distinct from old_workspace and new_stream is not distinct from old_stream then
      if new_data::text <> old_data::text then
        changes := array[new_workspace, new_stream, 'updated', new_data::text, old_data::text];
      end if;
    else
      if tg_op <> 'INSERT' then
        changes := array[old_workspace, old_stream, 'deleted', old_data::text, null];
      end if;
      if tg_op <> 'DELETE' then
        changes := changes || array[new_workspace, new_stream, 'created', new_data::text, null];
      end if;
    end if;
  end if;
  perform set_config('sluice.change', changes::text, true);
  return null;
end
$$;

create or replace function sluice.describe_emptying() returns trigger
language plpgsql
as $$
declare
  -- Arguments: the options of sluice.watch; '' if all rows have the same workspace and stream.
  options json := tg_argv[0];
  workspaces text[] := array[options ->> 'workspace'];
  streams text[] := array[options ->> 'stream'];
begin
  if tg_argv[1] <> '' then
    -- With the name that the table has now.
    execute format(
      'select array_agg(t.workspace), array_agg(t.stream) '
      'from (select distinct %s as workspace, %s as stream from %s new) t where t.workspace is not null and t.stream is not null',
      coalesce(quote_literal(options ->> 'workspace'), format('new.%I::text', options ->> 'workspace_column')),
      coalesce(quote_literal(options ->> 'stream'), case when options ->> 'stream_column' is not null then format('new.%I::text', options ->> 'stream_column') end,
        format(E'(%s\n)::text', options ->> 'stream_expression')),
      tg_relid::regclass)
    into workspaces, streams;
  end if;
  perform set_config('sluice.change', array(
    select unnest(array[t.workspace, t.stream, 'truncated', '{}', null])
    from unnest(workspaces, streams) with ordinality as t (workspace, stream, place) order by t.place
  )::text, true);
  return null;
end
$$;

create or replace function sluice.row_data(data text, old_data text, old text, watched regclass) returns text
language plpgsql
as $$
declare
  previous text;
  fault text;
  detail text;
  hint text;
  key text;
begin
  if old_data is not null and old <> 'none' then
    previous := old_data;
    if old = 'changed' then
      begin
        select '{' || coalesce(string_agg(to_json(o.key)::text || ':' || o.value::text, ',' order by o.place), '') || '}'
        into previous
        from json_each(old_data::json) with ordinality as o (key, value, place)
        left join json_each(data::json) as n (key, value) on n.key = o.key
        where n.value::text is distinct from o.value::text;
      exception
        -- JSON with \u0000 cannot be taken apart: all previous values, which are kept above.
        when data_exception then null;
      end;
    end if;
    if octet_length(data) + octet_length(previous) + 8 > 262144 and octet_length(data) + 12 <= 262144 then
      previous := 'null';
    end if;
    data := left(data, -1) || case when data <> '{}' then ',' else '' end || '"old":' || previous || '}';
  end if;
  if octet_length(data) > 262144 or octet_length(data) - octet_length(translate(data, '{[', '')) > 64 then
    begin
      perform sluice.check_data(data::json, watched);
    exception
      when sqlstate 'SL002' then
        get stacked diagnostics fault = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
        -- Names the row by the columns of its primary key that events contain.
        begin
          select string_agg(format('%s = %s', a.attname, left(data::json ->> a.attname::text, 200)), ', ' order by a.attnum) into key
          from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
          where i.indrelid = watched and i.indisprimary;
        exception
          -- JSON with \u0000.
          when data_exception then null;
        end;
        raise exception using
          errcode = 'SL002', message = fault, detail = concat_ws(' ', detail, 'The row has ' || key || '.'), hint = hint;
    end;
  end if;
  return data;
end
$$;

create or replace function sluice.check_expression(target regclass, expression text, kind text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  parsed refcursor;
  attempt text;
  as_boolean text := format(case kind when 'condition' then E'(%s\n)' else E'((%s\n)::text is null)' end, expression);
  creation text := format('create trigger sluice_watch_0_check after update on %s for each row when ', target);
begin
  -- A cursor takes exactly one statement, so no semicolon ends the expression. In CREATE TRIGGER nothing but EXECUTE may
  -- follow the parenthesis that closes the condition, so the text closes none: it is one expression of the row. Nothing
  -- evaluates it here, and all of this happens with the rights of the caller, who may run any statement anyway.
  -- The rows are records, as in the triggers.
  open parsed for execute format('select %1$s from (select (null::%2$s).*) new, (select (null::%2$s).*) old', as_boolean, target);
  close parsed;
  -- Each attempt is undone, which gives back its lock of the table too.
  foreach attempt in array array[format(E'(%s\n)', expression), as_boolean] loop
    begin
      execute creation || attempt || ' execute function sluice.describe_row()';
      raise sqlstate 'SL999';
    exception
      when sqlstate 'SL999' then null;
      -- The type is looked at last, and a stream is not boolean.
      when datatype_mismatch then
        if kind = 'condition' then
          raise;
        end if;
    end;
  end loop;
exception
  when others then
    -- A lock that was not given, a deadlock, a read-only transaction: no fault of the expression.
    if left(sqlstate, 2) in ('25', '40', '53', '55', '57', '58') then
      raise;
    end if;
    perform sluice.refuse_watch(
      format('%L is not %s (%s)', left(expression, 200), case kind when 'condition' then 'a condition' else 'a stream, nor an expression of the row' end, sqlerrm),
      case kind
        when 'condition' then 'Write a boolean expression of the rows new and old, such as new.state = ''open''. Qualify functions of your own.'
        else 'A stream is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter or a digit. An '
          'expression uses the row new, such as ''user/'' || new.owner. Qualify functions of your own.'
      end);
end
$$;
