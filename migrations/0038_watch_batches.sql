-- Up Migration

-- Watched tables cost less: the events of a statement are stored in batches, and a statement of one row is planned once for a
-- session.
--
-- Invariant: what a watch publishes is what it published before, in the same order. A watch that exists publishes in this way
-- at once, because its triggers call the same functions. Only a watch by row that has a condition, or an expression as its
-- stream, changes to the way by statement when it is made again.
--
-- sluice.pending holds up to 256 rows of a statement as one row. At COMMIT they become events without having been stored,
-- indexed and deleted one by one.
--
-- A condition and an expression of a stream run with the rights of the role that writes, the publishing function with those
-- of Sluice's owner. So one trigger judges the rows of a statement, and the next one publishes those that it has chosen. In
-- between, the setting sluice.change holds an array with a text for each 256 rows, which has a line for each row, in their
-- order: 0; or 1, the stream of the new row and that of the old one. A stream is =name, or nothing for null.

alter table sluice.pending alter column data drop not null;
alter table sluice.pending
  add column batch json[],
  add column batch_types text[],
  add check (num_nonnulls(data, batch) = 1);
alter table sluice.pending alter column batch set storage external;

comment on column sluice.pending.batch is 'The data of several events of one stream, in their order. Each gets its UUID at COMMIT.';
comment on column sluice.pending.batch_types is 'The types of the events of the batch, or null if all of them have the one type.';

create or replace function sluice.append_pending() returns trigger
language plpgsql security definer
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
  target record;
  ids bigint[];
  woken bigint[];
  transactions_trace text := sluice.current_traceparent();
begin
  if told <> '' then
    perform set_config('sluice.workspace', '', true);
  end if;
  -- Called for the first event of each statement. The first call appends all of them, so the others find theirs gone.
  if exists (
    select from sluice.pending p where p.transaction_id = new.transaction_id and p.ordinal = new.ordinal
  ) then
    select min(p.workspace) as workspace, min(p.stream) as stream,
      min(p.workspace) = max(p.workspace) and min(p.stream) = max(p.stream) as is_one
    into target
    from sluice.pending p where p.transaction_id = new.transaction_id;
    -- The fast path for one stream that exists and is open.
    if target.is_one and target.workspace <> '$system' then
      select array[s.id] into ids from sluice.streams s
      where s.workspace = target.workspace and s.name = target.stream for no key update;
      if exists (select from sluice.streams s where s.id = ids[1] and s.closed_at is null) then
        woken := ids;
      end if;
    end if;
    if woken is null then
      ids := sluice.lock_pending(new.transaction_id);
    end if;

    begin
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor, way, traceparent)
      select b.stream_id, b.before + e.place, b.at, case when b.batch is null then b.event_id else gen_random_uuid() end,
        coalesce(e.type, b.type), e.data, b.actor,
        case when b.workspace = '$system' then 'system' else b.way end, coalesce(b.traceparent, transactions_trace)
      from (
        select p.*, t.stream_id, t.at, t.position - coalesce(cardinality(p.batch), 1) + sum(coalesce(cardinality(p.batch), 1)) over (
          partition by t.stream_id order by coalesce(p.turn, p.ordinal), p.ordinal rows unbounded preceding
        ) as before
        from sluice.pending p
        cross join lateral (
          select s.id from sluice.streams s where s.workspace = p.workspace and s.name = p.stream limit 1
        ) s
        join sluice.tails(ids) t on t.stream_id = s.id
        where p.transaction_id = new.transaction_id
      ) b
      cross join lateral unnest(coalesce(b.batch, array[b.data]), b.batch_types) with ordinality as e (data, type, place);
    exception
      when unique_violation then perform sluice.refuse_snapshot();
    end;
    delete from sluice.pending p where p.transaction_id = new.transaction_id;

    if woken is null then
      select array_agg(s.id) into woken from sluice.streams s where s.id = any (ids) and s.workspace <> '$system';
    end if;
    perform sluice.wake(woken);
  end if;
  if told <> '' then
    perform set_config('sluice.workspace', told, true);
  end if;
  return null;
end
$$;

create or replace function sluice.lock_pending(transaction_id xid8) returns bigint[]
language plpgsql
as $$
#variable_conflict use_column
declare
  -- May be left out: these events come from rows that name their stream, and none of them was published by a call.
  lenient boolean[];
  workspaces text[];
  names text[];
  ids bigint[];
  dropped record;
  place int;
begin
  select array_agg(t.workspace), array_agg(t.stream), array_agg(t.lenient) into workspaces, names, lenient
  from (
    select p.workspace, p.stream, bool_and(p.watched is not null) as lenient
    from sluice.pending p where p.transaction_id = lock_pending.transaction_id
    group by p.workspace, p.stream
  ) t;
  ids := sluice.lock_streams(workspaces, names, leaves_out => true = any (lenient));
  for place in select i from generate_subscripts(ids, 1) i where ids[i] is null and not lenient[i] loop
    perform sluice.refuse_streams(workspaces[place]);
  end loop;
  perform sluice.refuse_closed(array(select i.id from unnest(ids, lenient) as i (id, lenient) where not i.lenient));

  if true = any (lenient) then
    for dropped in
      with refused as (
        select w.workspace, w.name, case when w.id is null then 'no room' else 'closed' end as reason
        from unnest(workspaces, names, ids, lenient) as w (workspace, name, id, lenient)
        where w.lenient and (
          w.id is null or (select s.closed_at from sluice.streams s where s.id = w.id) is not null
        )
      ),
      gone as (
        delete from sluice.pending p using refused r
        where p.transaction_id = lock_pending.transaction_id and p.workspace = r.workspace and p.stream = r.name
        returning p.watched, r.name, r.reason, coalesce(cardinality(p.batch), 1) as rows
      )
      select g.watched, g.reason, min(g.name) as value, sum(g.rows) as rows from gone g group by g.watched, g.reason
    loop
      perform sluice.note_unpublished(dropped.watched, dropped.reason, dropped.value, dropped.rows);
    end loop;
  end if;
  return array_remove(ids, null);
end
$$;

-- From the rows of a statement to events. -----------------------------------------------------------------------------

create or replace function sluice.begin_changes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- The others take their turn when they end.
  if tg_op = 'DELETE' or exists (
    select from pg_trigger t
    where t.tgrelid = tg_relid and not t.tgisinternal and t.tgenabled <> 'D' and t.tgtype & 66 = 0
      and not starts_with(t.tgname::text, 'sluice_watch_')
  ) then
    -- A writer that forges this setting changes the order of its own events only.
    perform set_config('sluice.turns', format('%s %s.%s.%s', current_setting('sluice.turns', true), tg_relid, tg_op,
      nextval('sluice.pending_ordinal_seq')), true);
  end if;
  return null;
end
$$;

comment on function sluice.begin_changes is
  'Trigger of watched tables. Notes where among the events of the transaction a statement begins, if its events take that '
  'place: for a DELETE, and if the table has an AFTER trigger of the application, which may change the same rows again.';

create or replace function sluice.begun_turn(relation oid, operation text) returns bigint
language plpgsql
as $$
declare
  begun text := format('%s.%s.', relation, operation);
  turns text[] := string_to_array(nullif(trim(current_setting('sluice.turns', true)), ''), ' ');
begin
  for i in reverse coalesce(cardinality(turns), 0) .. 1 loop
    if starts_with(turns[i], begun) and turns[i] ~ '^[0-9]+[.][A-Z]+[.][0-9]{1,18}$' then
      perform set_config('sluice.turns', array_to_string(turns[:i - 1] || turns[i + 1:], ' '), true);
      return substr(turns[i], length(begun) + 1)::bigint;
    end if;
  end loop;
  return null;
end
$$;

comment on function sluice.begun_turn is
  'Internal. The turn that the statement noted at its beginning; null if its events follow those published since.';

create function sluice.judge_changes() returns trigger
language plpgsql
as $$
declare
  -- The options of sluice.watch.
  options json := tg_argv[0];
  condition text := coalesce(options ->> 'condition', 'true');
  stream text := case when options ->> 'stream_expression' is null then '''''' else format(
    E'coalesce(''='' || translate(left((%s\n)::text, 200), E''|\\n'', ''  ''), '''')', options ->> 'stream_expression') end;
  none text := format('(select (null::%s).*)', tg_relid::regclass);
  new_row text := format('(select row_number() over () - 1 as place, row(t.*)::%s as "row" from new_rows t)', tg_relid::regclass);
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
      'select place, case when (%s\n) then ''1|'' || %s || ''|'' || %s else ''0'' end as line from %s'
      ') c group by c.place / 256) b', condition,
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

comment on function sluice.judge_changes is
  'Trigger of watched tables, with the writer''s rights. Evaluates the condition and the stream of each row, for publish_changes.';

create function sluice.rows_statement(relation oid, options json, source text, few boolean) returns text
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
    case
      when few then
        'select array_agg(%1$s), array_agg(%2$s), array_agg(row_to_json(c)) from %3$s r cross join lateral (select %4$s) c'
      else
        'select array_agg(b.workspace order by b.place), array_agg(b.stream order by b.place), array_agg(b.data order by b.place) '
        'from (select row_number() over () - 1 as place, %1$s as workspace, %2$s as stream, row_to_json(c) as data '
        'from %3$s r cross join lateral (select %4$s) c) b group by b.place / 256 order by b.place / 256'
    end,
    coalesce(workspaces, 'null::text'), coalesce(streams, 'null::text'), source, shown);
end
$$;

comment on function sluice.rows_statement is
  'Internal. A statement that returns the workspaces, the streams and the data of the rows of a transition table as three arrays, in '
  'one row if they are few, else in one for each 256 rows. A workspace or stream is null if no column names it.';

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
        select string_agg(format('%s = %s', a.attname, left(data::json ->> a.attname::text, 200)), ', ' order by a.attnum) into key
        from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
        where i.indrelid = watched and i.indisprimary;
        raise exception using
          errcode = 'SL002', message = fault, detail = concat_ws(' ', detail, 'The row has ' || key || '.'), hint = hint;
    end;
  end if;
  return data;
end
$$;


create function sluice.fits(data json, deep boolean) returns boolean
language sql immutable
return octet_length(data::text) <= 262144
  and (not deep or octet_length(data::text) - octet_length(translate(data::text, '{[', '')) <= 64);

comment on function sluice.fits is
  'Internal. Whether an event certainly has room for the data. Only JSON within it, which deep announces, can have too many levels.';

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
  -- At most 257.
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
    select count(*) into amount from (select from old_rows limit 257) r;
  else
    select count(*) into amount from (select from new_rows limit 257) r;
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
    open new_chunks for execute sluice.rows_statement(tg_relid, options, 'new_rows', amount <= 256);
  end if;
  if tg_op <> 'INSERT' then
    open old_chunks for execute sluice.rows_statement(tg_relid, options, 'old_rows', amount <= 256);
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

-- The call of a table's owner. -----------------------------------------------------------------------------------------

create or replace function sluice.check_expression(target regclass, expression text, kind text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  parsed refcursor;
  as_boolean text := format(case kind when 'condition' then E'(%s\n)' else E'((%s\n)::text is null)' end, expression);
  creation text := format('create trigger sluice_watch_0_check after update on %s for each row when ', target);
begin
  -- A cursor takes exactly one statement, so no semicolon ends the expression. In CREATE TRIGGER nothing but EXECUTE may
  -- follow the parenthesis that closes the condition, so the text closes none: it is one expression of the row. Nothing
  -- evaluates it here, and all of this happens with the rights of the caller, who may run any statement anyway.
  -- The rows are records, as in the triggers.
  open parsed for execute format('select %1$s from (select (null::%2$s).*) new, (select (null::%2$s).*) old', as_boolean, target);
  close parsed;
  begin
    execute creation || format(E'(%s\n)', expression) || ' execute function sluice.describe_row()';
    execute format('drop trigger sluice_watch_0_check on %s', target);
  exception
    -- The type is looked at last, and a stream is not boolean.
    when datatype_mismatch then
      if kind = 'condition' then
        raise;
      end if;
  end;
  execute creation || as_boolean || ' execute function sluice.describe_row()';
  execute format('drop trigger sluice_watch_0_check on %s', target);
exception
  when others then
    perform sluice.refuse_watch(
      format('%L is not %s (%s)', left(expression, 200), case kind when 'condition' then 'a condition' else 'a stream, nor an expression of the row' end, sqlerrm),
      case kind
        when 'condition' then 'Write a boolean expression of the rows new and old, such as new.state = ''open''. Qualify functions of your own.'
        else 'A stream is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter or a digit. An '
          'expression uses the row new, such as ''user/'' || new.owner. Qualify functions of your own.'
      end);
end
$$;


create or replace function sluice.watch(
  target regclass,
  name text default null,
  workspace text default null,
  workspace_column name default null,
  stream text default 'feed',
  columns name[] default null,
  old text default 'none',
  stream_column name default null,
  condition text default null,
  always boolean default false
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  relation record;
  unknown text;
  offending text;
  options json;
  -- SQL expressions of a row that is named new: its workspace, its stream, its data.
  row_workspace text;
  row_stream text;
  shown text := 'row_to_json($1)';
  extraction text := '';
  condition_statement text := '';
  places text := '';
  by_expression boolean := false;
  judged boolean;
  by_statement boolean;
  watch_trigger name;
begin
  select c.oid, c.relname, c.relkind, c.relnamespace::regnamespace::text as schema, c.relispartition,
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
  if stream_column is not null and stream is distinct from 'feed' then
    perform sluice.refuse_watch('it needs either stream or stream_column',
      'stream is the stream of all rows, or an expression of the row; stream_column is the column that holds each row''s stream.');
  end if;
  if stream_column is null then
    by_expression := not coalesce(sluice.is_stream(stream), false);
    if starts_with(stream, 'job:') then
      perform sluice.refuse_watch(format('the stream %L belongs to a job', left(stream, 200)), 'Pass another stream.');
    end if;
    if exists (
      select from pg_attribute a
      where a.attrelid = target and lower(stream) in ('new.' || a.attname, 'old.' || a.attname) and not a.attisdropped
    ) then
      perform sluice.refuse_watch(format('%L is the name of a stream, and looks like a column', stream),
        'Pass the column as stream_column.');
    end if;
  end if;
  -- With ".bulk_changed" appended, the name must be a type.
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
  from unnest(
    columns || array_remove(array[workspace_column, stream_column], null)
  ) as u (name)
  where not exists (
    select from pg_attribute a
    where a.attrelid = target and a.attname = u.name and a.attnum > 0 and not a.attisdropped
  );
  if unknown is not null then
    perform sluice.refuse_watch(format('%s has no column %s', target, unknown), 'Name columns of the table.');
  end if;
  if old is null or old not in ('none', 'changed', 'all') then
    perform sluice.refuse_watch(format('old is %s', coalesce(quote_literal(left(old, 200)), 'null')),
      'Pass ''none'', ''changed'' or ''all'': which previous values the event of an update contains.');
  end if;
  if old <> 'none' and exists (
    select from pg_attribute a
    where a.attrelid = target and a.attname = 'old' and a.attnum > 0 and not a.attisdropped
      and (columns is null or a.attname = any (columns))
  ) then
    perform sluice.refuse_watch(format('%s has a column "old", and the previous values would have the same name', target),
      'List the other columns, or pass old => ''none''.');
  end if;
  if always is null then
    perform sluice.refuse_watch('always is null', 'Pass true or false.');
  end if;
  if exists (
    select from pg_trigger t
    where t.tgname ~ '^sluice_watch_[0-9]_' and t.tgparentid = 0 and t.tgrelid <> target and t.tgrelid in (
      select p.relid from pg_partition_tree(target) p union all select a.relid from pg_partition_ancestors(target) a
    )
  ) then
    perform sluice.refuse_watch(format('%s is watched already, through its partitioned table or through its partitions', target),
      'Watch the partitioned table alone; unwatch the other first.');
  end if;
  if by_expression then
    if stream is null then
      perform sluice.refuse_watch('NULL is not a stream', 'Pass the name of a stream, or omit it.');
    end if;
    perform sluice.check_expression(target, stream, 'stream');
  end if;
  if condition is not null then
    perform sluice.check_expression(target, condition, 'condition');
  end if;

  row_workspace := case when workspace is null then format('new.%I::text', workspace_column) else quote_literal(workspace) end;
  row_stream := case
    when stream_column is not null then format('new.%I::text', stream_column)
    when by_expression then format(E'(%s\n)::text', stream)
    else quote_literal(stream)
  end;
  if workspace is null then
    execute format('select %s from %s new where not sluice.is_workspace(%s) limit 1', row_workspace, target, row_workspace) into offending;
    if offending is not null then
      perform sluice.refuse_watch(format('the column %I of %s holds %L, which is not a workspace', workspace_column, target, left(offending, 200)),
        'A workspace is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : @ - and starts with a letter or a digit. Correct '
        'the rows, or set the column to null where a row belongs to no workspace.');
    end if;
  end if;
  if stream_column is not null or by_expression then
    execute format('select s.name from (select %s as name from %s new) s where not sluice.is_stream(s.name) or starts_with(s.name, ''job:'') limit 1',
      row_stream, target) into offending;
    if offending is not null then
      perform sluice.refuse_watch(format('a row of %s names the stream %L, which is not a stream for events', target, left(offending, 200)),
        'A stream is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter or a digit, and not '
        'with job:. Correct the rows, or give null for rows that no client may follow.');
    end if;
  end if;

  if columns is not null then
    select format('(select row_to_json(r.*) from (select %s) r)', string_agg(format('new.%I', u.name), ', ' order by u.place))
    into shown
    from unnest(columns) with ordinality as u (name, place);
  end if;
  if columns is not null or workspace is null or stream_column is not null or by_expression then
    extraction := format('select %s, %s, %s from (select ($1).*) new', row_workspace, row_stream, shown);
  end if;
  if workspace is null or stream_column is not null or by_expression then
    places := format(
      'select array_agg(t.workspace), array_agg(t.stream) '
      'from (select distinct %s as workspace, %s as stream from %s new) t where t.workspace is not null and t.stream is not null',
      row_workspace, row_stream, target);
  end if;
  if condition is not null then
    condition_statement := format(E'select (%s\n) is true from (select ($1).*) new, (select ($2).*) old', condition);
  end if;
  options := json_build_object(
    'name', name, 'workspace', workspace, 'workspace_column', workspace_column,
    'stream', case when stream_column is null and not by_expression then stream end, 'stream_column', stream_column,
    'stream_expression', case when by_expression then stream end, 'columns', columns, 'old', old, 'condition', condition,
    'always', always);
  judged := condition is not null or by_expression;
  by_statement := relation.relkind = 'r' and not relation.relispartition and not always
    and not exists (select from pg_inherits i where target in (i.inhrelid, i.inhparent))
    and not exists (
      select from pg_attribute a join pg_type t on t.oid = a.atttypid
      where a.attrelid = target and a.attnum > 0 and not a.attisdropped
        and (columns is null or a.attname = any (columns || array[workspace_column, stream_column]))
        and coalesce(nullif(t.typbasetype, 0), t.oid) >= 16384
        -- Arrays, composite types and domains of the application, and types with a cast to JSON of their own.
        and (t.typtype not in ('b', 'e', 'r', 'm') or t.typcategory = 'A'
          or exists (select from pg_cast c where c.castsource = t.oid and c.casttarget = 'json'::regtype))
    )
    -- Transition tables lack the values of virtual columns, which an expression may use.
    and not (judged and exists (
      select from pg_attribute a where a.attrelid = target and a.attgenerated = 'v' and not a.attisdropped
    ));

  perform sluice.unwatch(target);
  -- Triggers on the same change fire in the order of their names.
  if by_statement then
    execute format(
      'create trigger sluice_watch_1_begin before insert or update or delete on %s '
      'for each statement execute function sluice.begin_changes()', target);
    if judged then
      execute format(
        'create trigger sluice_watch_1_judge_insert after insert on %s referencing new table as new_rows '
        'for each statement execute function sluice.judge_changes(%L)', target, options);
      execute format(
        'create trigger sluice_watch_1_judge_update after update on %s referencing old table as old_rows new table as new_rows '
        'for each statement execute function sluice.judge_changes(%L)', target, options);
      execute format(
        'create trigger sluice_watch_1_judge_delete after delete on %s referencing old table as old_rows '
        'for each statement execute function sluice.judge_changes(%L)', target, options);
    end if;
    execute format(
      'create trigger sluice_watch_2_insert after insert on %s referencing new table as new_rows '
      'for each statement execute function sluice.publish_changes(%L)', target, options);
    execute format(
      'create trigger sluice_watch_2_update after update on %s referencing old table as old_rows new table as new_rows '
      'for each statement execute function sluice.publish_changes(%L)', target, options);
    execute format(
      'create trigger sluice_watch_2_delete after delete on %s referencing old table as old_rows '
      'for each statement execute function sluice.publish_changes(%L)', target, options);
    -- Never fires. A table with such a trigger cannot become a partition or inherit: statement triggers would not fire for
    -- writes through its parent. The error shows the name of this trigger.
    execute format(
      'create trigger sluice_watch_3_unwatch_before_you_attach after insert on %s referencing new table as new_rows '
      'for each row when (false) execute function sluice.publish_changes()', target);
  else
    execute format(
      'create trigger sluice_watch_1_describe after insert or update or delete on %s '
      'for each row execute function sluice.describe_row(%L, %L, %L, %L)',
      target, extraction, condition_statement, coalesce(workspace, ''), case when by_expression then '' else stream end);
    execute format(
      'create trigger sluice_watch_2_publish after insert or update or delete on %s '
      'for each row execute function sluice.publish_row(%L)', target, options);
  end if;
  execute format(
    'create trigger sluice_watch_1_describe_truncate before truncate on %s '
    'for each statement execute function sluice.describe_emptying(%L, %L)', target, options, places);
  execute format(
    'create trigger sluice_watch_2_publish_truncate before truncate on %s '
    'for each statement execute function sluice.publish_row(%L)', target, options);
  if always then
    for watch_trigger in
      select t.tgname from pg_trigger t where t.tgrelid = target and t.tgparentid = 0 and t.tgname ~ '^sluice_watch_[0-9]_'
    loop
      execute format('alter table %s enable always trigger %I', target, watch_trigger);
    end loop;
  end if;
end
$$;

comment on function sluice.watch is
  'Publishes the changes of a table as <name>.created, <name>.updated and <name>.deleted, with the row as data (a deleted row '
  'as it was), and <name>.truncated with {}. name: by default the table''s name. Pass either workspace, the workspace of all '
  'rows, or workspace_column, the column that holds each row''s workspace. stream: the stream of all rows, or an expression of '
  'the row new that names each row''s stream, such as ''user/'' || new.owner; stream_column: the column that holds it. A row that '
  'moves to another workspace or stream is deleted in the old one and created in the new one; a row whose workspace or stream '
  'is null publishes nothing, nor does one whose workspace or stream is no name: it raises a WARNING and is counted in '
  'sluice.watches. columns: the columns that events show, by default all. An update that changes none of them publishes nothing. '
  'old: none, changed or all: the previous values that the event of an update has as its member old. condition: a boolean '
  'expression of the rows new and old; a change for which it is not true publishes nothing. It runs with the rights of the role '
  'that writes. always: also publishes changes that logical replication applies or that are made under '
  'session_replication_role = replica. Watching a table again replaces its watch. A session that has set sluice.watch to off '
  'publishes one <name>.bulk_changed in place of its changes. '
  'A write of a row of more than 256 KiB as JSON fails with SL002: watch fewer columns. '
  'After a shown column was renamed or dropped, watch the table again. '
  'Values are written as with TimeZone UTC, DateStyle ISO, IntervalStyle postgres, bytea_output hex and lc_monetary C, '
  'whatever the writer''s settings are. '
  'Partitioned tables: watch the parent. A row that moves to another partition is deleted and created. A TRUNCATE, ATTACH or '
  'DETACH of a single partition publishes nothing. A TRUNCATE with workspace_column reads the table with the caller''s rights. '
  'Only the table''s owner may call it, with: grant usage on schema sluice to app; grant execute on function sluice.watch, '
  'sluice.unwatch, sluice.refuse_watch, sluice.check_expression, sluice.is_workspace, sluice.is_stream, sluice.is_type, '
  'sluice.begin_changes, sluice.judge_changes, sluice.publish_changes, sluice.describe_row, sluice.describe_emptying, '
  'sluice.publish_row to app;';


revoke all on all functions in schema sluice from public;

do $$
declare
  grants text;
begin
  -- Roles that may watch their tables need the new trigger function too.
  select string_agg(format('grant execute on function sluice.judge_changes to %s%s;', a.grantee::regrole,
    case when a.is_grantable then ' with grant option' else '' end), ' ')
  into grants
  from pg_proc p, aclexplode(p.proacl) a
  where p.oid = 'sluice.watch'::regproc and a.grantee <> 0 and a.grantee <> p.proowner;
  execute coalesce(grants, '');
end
$$;
