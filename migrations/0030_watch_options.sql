-- Up Migration

-- Watch, with options: streams per row, a condition, the previous values, and one set of events for each statement.
--
-- Invariant: an application's write never fails because of a value that its own table accepts. A row whose workspace or
-- stream is no name, is closed or has no room publishes nothing; sluice.watches counts it, and the writer gets a WARNING.
-- Two faults still fail the write: a row that is larger than an event may be, and an expression of the watch that fails.
--
-- There are two ways from a row to its events. Both end in sluice.pending, which is appended at COMMIT.
--
-- 1. By statement: one trigger with transition tables publishes all rows of a statement at once, with the rights of Sluice's
--    owner. These rights must never run code of the application. So this trigger renders values of built-in types, and
--    values of all other types only as their text: no cast that an owner of a type has defined is called. Virtual columns
--    (PostgreSQL 18) can only use built-in functions, and an expression that depends on anything else is left out.
--
--    The nth row of the old transition table and the nth of the new one are the same row: the executor adds to both at once.
--
--    Order: statements can be nested, by triggers of the application. Deletes take their turn when their statement begins,
--    because a statement that deletes and inserts the same key (MERGE) deletes first. Inserts and updates take it when
--    their statement ends, or when it begins if the table has other AFTER triggers, which may change the same rows again.
--
-- 2. By row: two triggers for each row (0008_watch says why there are two). The first one runs with the writer's rights, and
--    so do the expressions of the watch and the casts of its types. This way works where statement triggers do not fire or
--    lack rows: in partitions and inheritance, under logical replication, for expressions and for types of the application.

alter table sluice.pending
  add column leads boolean not null default true,
  add column turn bigint,
  add column watched oid;

comment on column sluice.pending.leads is 'The first event of its statement. It alone makes COMMIT append those of the transaction.';
comment on column sluice.pending.turn is 'Its place among the events of the transaction, if that is not its ordinal.';
comment on column sluice.pending.watched is
  'The watched table whose row names the stream. Such an event is left out if the stream cannot take it at COMMIT.';

drop trigger append_at_commit on sluice.pending;
create constraint trigger append_at_commit
  after insert on sluice.pending
  deferrable initially deferred
  for each row when (new.leads) execute function sluice.append_pending();
alter table sluice.pending enable always trigger append_at_commit;

create or replace function sluice.append_pending() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
  ids bigint[];
  woken bigint[];
begin
  if told <> '' then
    perform set_config('sluice.workspace', '', true);
  end if;
  -- Called for the first event of each statement. The first call appends all of them, so the others find theirs gone.
  if exists (
    select from sluice.pending p where p.transaction_id = new.transaction_id and p.ordinal = new.ordinal
  ) then
    ids := sluice.lock_pending(new.transaction_id);

    begin
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor)
      select t.stream_id,
        t.position + row_number() over (partition by t.stream_id order by coalesce(p.turn, p.ordinal), p.ordinal),
        t.at, p.event_id, p.type, p.data, p.actor
      from sluice.pending p
      cross join lateral (
        select s.id from sluice.streams s where s.workspace = p.workspace and s.name = p.stream limit 1
      ) s
      join sluice.tails(ids) t on t.stream_id = s.id
      where p.transaction_id = new.transaction_id;
    exception
      when unique_violation then perform sluice.refuse_snapshot();
    end;
    delete from sluice.pending p where p.transaction_id = new.transaction_id;

    select array_agg(s.id) into woken from sluice.streams s where s.id = any (ids) and s.workspace <> '$system';
    perform sluice.wake(woken);
  end if;
  if told <> '' then
    perform set_config('sluice.workspace', told, true);
  end if;
  return null;
end
$$;

create function sluice.lock_pending(transaction_id xid8) returns bigint[]
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
        returning p.watched, r.name, r.reason
      )
      select g.watched, g.reason, min(g.name) as value, count(*) as rows from gone g group by g.watched, g.reason
    loop
      perform sluice.note_unpublished(dropped.watched, dropped.reason, dropped.value, dropped.rows);
    end loop;
  end if;
  return array_remove(ids, null);
end
$$;

comment on function sluice.lock_pending is
  'Internal. Locks the streams of a transaction''s events. An event that a call has published to a closed stream, or to one that '
  'has no room, raises SL001 or SL004; an event of a row that names its stream is left out and counted.';

-- Rows that publish nothing. ------------------------------------------------------------------------------------------

create table sluice.unpublished_rows (
  id bigint generated always as identity primary key,
  table_id oid not null,
  reason text not null,
  value text,
  rows bigint not null,
  at timestamptz not null
);
create index on sluice.unpublished_rows (table_id, reason);

comment on table sluice.unpublished_rows is
  'How many rows of watched tables published nothing because of their workspace or stream. Read it through sluice.watches.';

create function sluice.note_unpublished(table_id oid, reason text, value text, amount bigint) returns void
language plpgsql
as $$
#variable_conflict use_column
declare
  place bigint;
  warned text := format(' %s %s,', table_id, reason);
begin
  -- Waits for no other writer, and fails none: under an older snapshot, updating a row that was changed since would fail.
  if current_setting('transaction_isolation') in ('read committed', 'read uncommitted') then
    select u.id into place from sluice.unpublished_rows u
    where u.table_id = note_unpublished.table_id and u.reason = note_unpublished.reason
    limit 1 for update skip locked;
    if found then
      update sluice.unpublished_rows u
      set rows = u.rows + note_unpublished.amount, value = note_unpublished.value, at = clock_timestamp()
      where u.id = place;
    else
      insert into sluice.unpublished_rows (table_id, reason, value, rows, at)
      values (note_unpublished.table_id, note_unpublished.reason, note_unpublished.value, note_unpublished.amount, clock_timestamp());
    end if;
  end if;
  -- Once in a transaction for each table and reason.
  if strpos(coalesce(current_setting('sluice.warned', true), ''), warned) > 0 then
    return;
  end if;
  perform set_config('sluice.warned', coalesce(current_setting('sluice.warned', true), '') || warned, true);
  raise warning using
    errcode = 'SL003',
    message = format('%s row(s) of the watched table %s published nothing: %s', amount, table_id::regclass, case reason
      when 'closed' then format('the stream %L is closed', value)
      when 'no room' then format('the workspace has reached its limit of streams, so %L was not created', value)
      when 'workspace' then format('%L is not a workspace', left(value, 200))
      else format('%L is not a stream', left(value, 200))
    end),
    hint = 'The rows themselves are written. Correct the value, or watch the table with another column or expression.';
end
$$;

comment on function sluice.note_unpublished is
  'Internal. Counts rows that published nothing, and raises a WARNING. A statement under REPEATABLE READ or above is not counted.';

create function sluice.why_unpublished(workspace text, stream text) returns text
language plpgsql
as $$
begin
  if not coalesce(sluice.is_workspace(workspace), false) then
    return 'workspace';
  end if;
  if not coalesce(sluice.is_stream(stream), false) or starts_with(stream, 'job:') then
    return 'stream';
  end if;
  -- Raises 42501 when the transaction has set another workspace.
  perform sluice.check_names(workspace, stream);
  return null;
end
$$;

comment on function sluice.why_unpublished is
  'Internal. Why a row that names its workspace and stream publishes nothing: workspace or stream, the one that is no name; null if '
  'it is published. A stream that cannot take the event is found at COMMIT.';

-- From rows to events. ------------------------------------------------------------------------------------------------

create function sluice.row_data(data text, old_data text, old text, watched regclass) returns text
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
      select '{' || coalesce(string_agg(to_json(o.key)::text || ':' || o.value::text, ',' order by o.place), '') || '}'
      into previous
      from json_each(old_data::json) with ordinality as o (key, value, place)
      left join json_each(data::json) as n (key, value) on n.key = o.key
      where n.value::text is distinct from o.value::text;
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

comment on function sluice.row_data is
  'Internal. The data of an event of a watched table: the row as JSON, and with old the previous values as a member old, which '
  'is null where both together are too large for an event. Raises SL002 for a row that fits into no event.';

create function sluice.check_target(workspace text, stream text) returns void
language plpgsql
as $$
#variable_conflict use_column
declare
  stream_id bigint;
begin
  perform sluice.check_names(check_target.workspace, check_target.stream);
  -- Fails early if the refusal can be seen already. What changes until COMMIT is checked there.
  select s.id into stream_id from sluice.streams s where s.workspace = check_target.workspace and s.name = check_target.stream;
  if found then
    perform sluice.refuse_closed(array[stream_id]);
  elsif check_target.stream <> 'feed' and sluice.stream_room(check_target.workspace) = 0 then
    perform sluice.refuse_streams(check_target.workspace);
  end if;
end
$$;

comment on function sluice.check_target is 'Internal. Raises SL001, SL002 or SL004 unless events can be published to this stream.';

create function sluice.begin_changes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A writer that forges this setting changes the order of its own events only.
  perform set_config('sluice.turns', format('%s %s.%s.%s', current_setting('sluice.turns', true), tg_relid, tg_op,
    nextval('sluice.pending_ordinal_seq')), true);
  return null;
end
$$;

comment on function sluice.begin_changes is 'Trigger of watched tables. Notes where among the events of the transaction a statement begins.';

create function sluice.begun_turn(relation oid, operation text) returns bigint
language plpgsql
as $$
declare
  begun text := format('%s.%s.', relation, operation);
  turns text[] := string_to_array(nullif(trim(current_setting('sluice.turns', true)), ''), ' ');
  turn bigint;
begin
  for i in reverse coalesce(cardinality(turns), 0) .. 1 loop
    if starts_with(turns[i], begun) and turns[i] ~ '^[0-9]+[.][A-Z]+[.][0-9]{1,18}$' then
      turn := substr(turns[i], length(begun) + 1)::bigint;
      perform set_config('sluice.turns', array_to_string(turns[:i - 1] || turns[i + 1:], ' '), true);
      exit;
    end if;
  end loop;
  if operation = 'DELETE' or exists (
    select from pg_trigger t
    where t.tgrelid = relation and not t.tgisinternal and t.tgenabled <> 'D' and t.tgtype & 66 = 0
      and not starts_with(t.tgname::text, 'sluice_watch_')
  ) then
    return turn;
  end if;
  return null;
end
$$;

comment on function sluice.begun_turn is
  'Internal. The turn that the statement noted at its beginning, if its events take that one; null if they follow those '
  'published since. An AFTER trigger of the application may change the same rows again before the statement ends.';

create function sluice.publish_changes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC' set datestyle = 'ISO, MDY' set intervalstyle = postgres
set bytea_output = hex set extra_float_digits = 1 set lc_monetary = 'C'
set enable_hashjoin = on set enable_mergejoin = on set enable_sort = on
as $$
declare
  -- The options of sluice.watch.
  options json := tg_argv[0];
  name text := options ->> 'name';
  fixed boolean := options ->> 'workspace_column' is null and options ->> 'stream_column' is null;
  off boolean := current_setting('sluice.watch', true) is not distinct from 'off';
  turn bigint := sluice.begun_turn(tg_relid, tg_op);
  shown text;
  workspaces text;
  streams text;
  computes boolean;
  old_rows text;
  new_rows text;
  changes text;
  data text;
  unpublished record;
begin
  -- How each column is rendered.
  with rendered as (
    select a.attname::text as name, coalesce(p.place, a.attnum) as place, a.attgenerated = 'v' as computed,
      options ->> 'columns' is null or p.place is not null as is_shown,
      case
        when a.attgenerated = 'v' then format('(%s)', pg_get_expr(d.adbin, d.adrelid))
        when coalesce(nullif(t.typbasetype, 0), t.oid) < 16384 then format('r.%I', a.attname)
        else format('case when num_nulls(r.%1$I) = 0 then format(''%%s'', r.%1$I) end', a.attname)
      end as expression
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join json_array_elements_text(nullif(options ->> 'columns', '')::json) with ordinality as p (name, place)
      on p.name = a.attname
    where a.attrelid = tg_relid and a.attnum > 0 and not a.attisdropped
      -- A virtual column that depends on nothing but other columns and built-in functions.
      and (a.attgenerated <> 'v' or not exists (
        select from pg_depend e
        where e.classid = 'pg_attrdef'::regclass and e.objid = d.oid and e.refclassid <> 'pg_class'::regclass
      ))
  )
  select string_agg(format('%s as %I', r.expression, r.name), ', ' order by r.place) filter (where r.is_shown),
    max(r.expression || '::text') filter (where r.name = options ->> 'workspace_column'),
    max(r.expression || '::text') filter (where r.name = options ->> 'stream_column'),
    bool_or(r.computed)
  into shown, workspaces, streams, computes
  from rendered r;
  if workspaces is null and options ->> 'workspace_column' is not null or streams is null and options ->> 'stream_column' is not null then
    perform sluice.refuse_watch(
      format('%s has lost the column that names the workspace or the stream of its rows', tg_relid::regclass),
      'Watch the table again: select sluice.watch(…).');
  end if;

  new_rows := format(
    '(select row_number() over () as place, %s as workspace, %s as stream, row_to_json(c)::text as data from %s r '
    'cross join lateral (select %s) c)',
    coalesce(workspaces, '$1'), coalesce(streams, '$2'),
    case when computes then format('(select t.*, %s::oid as tableoid from new_rows t)', tg_relid) else 'new_rows' end, shown);
  old_rows := replace(new_rows, ' new_rows ', ' old_rows ');
  changes := case
    when tg_op = 'INSERT' then
      'select 1 as half, n.place, n.workspace, n.stream, ''created'' as change, n.data, null as old from ' || new_rows || ' n'
    when tg_op = 'DELETE' then
      'select 1 as half, o.place, o.workspace, o.stream, ''deleted'' as change, o.data, null as old from ' || old_rows || ' o'
    when fixed then
      'select 1 as half, place, n.workspace, n.stream, ''updated'' as change, n.data, o.data as old '
      'from ' || new_rows || ' n join ' || old_rows || ' o using (place) where n.data <> o.data'
    else
      'select c.half, place, c.workspace, c.stream, c.change, c.data, c.old '
      'from ' || new_rows || ' n join ' || old_rows || ' o using (place) cross join lateral (values '
      '(1, o.workspace, o.stream, ''deleted'', o.data, null), (2, n.workspace, n.stream, ''created'', n.data, null), '
      '(3, n.workspace, n.stream, ''updated'', n.data, o.data)) as c (half, workspace, stream, change, data, old) '
      'where case when n.workspace is distinct from o.workspace or n.stream is distinct from o.stream then c.half < 3 '
      'else c.half = 3 and n.data <> o.data end'
  end;
  data := case options ->> 'old'
    when 'none' then 'case when octet_length(c.data) > 262144 or octet_length(c.data) - octet_length(translate(c.data, ''{['', '''')) > 64 '
      'then sluice.row_data(c.data, null, null, $5) else c.data end'
    else format('sluice.row_data(c.data, c.old, %L, $5)', options ->> 'old')
  end;

  -- The table's owner may have written the arguments.
  perform sluice.check_type(name || '.created');
  if fixed then
    perform sluice.check_target(options ->> 'workspace', options ->> 'stream');
  end if;
  if fixed and not off then
    execute format(
      'insert into sluice.pending (workspace, stream, type, data, leads, turn) '
      'select c.workspace, c.stream, $3 || c.change, (%s)::json, row_number() over () = 1, $4 from (%s order by place) c',
      data, changes)
    using options ->> 'workspace', options ->> 'stream', name || '.', turn, tg_relid::regclass;
    return null;
  end if;

  for unpublished in
    execute format(
      'with changes as materialized (%s), '
      'targets as materialized ('
        'select t.workspace, t.stream, case when not $6 then sluice.why_unpublished(t.workspace, t.stream) end as reason '
        'from (select distinct c.workspace, c.stream from changes c where c.workspace is not null and c.stream is not null) t'
      '), '
      'stored as (%s) '
      'select t.reason, min(case t.reason when ''workspace'' then t.workspace else t.stream end) as value, count(*) as amount '
      'from targets t join changes c on c.workspace = t.workspace and c.stream = t.stream '
      'where t.reason is not null group by t.reason',
      changes,
      case when off then
        'insert into sluice.pending (workspace, stream, type, data, turn, watched) '
        'select t.workspace, t.stream, $3 || ''bulk_changed'', ''{}'', $4, case when not $6 then $5::oid end '
        'from targets t where t.reason is null and not exists ('
          'select from sluice.pending p where p.transaction_id = pg_current_xact_id() and p.workspace = t.workspace '
          'and p.stream = t.stream and p.type = $3 || ''bulk_changed'''
        ') order by t.workspace, t.stream'
      else format(
        'insert into sluice.pending (workspace, stream, type, data, leads, turn, watched) '
        'select c.workspace, c.stream, $3 || c.change, (%s)::json, row_number() over () = 1, $4, $5::oid '
        'from (select c.* from changes c join targets t on t.workspace = c.workspace and t.stream = c.stream '
        'where t.reason is null order by c.place, c.half) c', data)
      end)
    using options ->> 'workspace', options ->> 'stream', name || '.', turn, tg_relid::regclass, fixed
  loop
    perform sluice.note_unpublished(tg_relid, unpublished.reason, unpublished.value, unpublished.amount);
  end loop;
  return null;
end
$$;

comment on function sluice.publish_changes is
  'Trigger of watched tables, with the rights of Sluice''s owner. Publishes the changes of one statement.';

create function sluice.describe_row() returns trigger
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
    if tg_op = 'INSERT' then
      execute format('select null::%s as "row"', tg_relid::regclass) into old_row;
    else
      execute coalesce(completion, 'select $1 as "row"') into old_row using old;
    end if;
    if tg_op = 'DELETE' then
      execute format('select null::%s as "row"', tg_relid::regclass) into new_row;
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

comment on function sluice.describe_row is
  'Trigger of watched tables, with the writer''s rights. Describes the change of a row as events, for publish_row.';

create function sluice.describe_emptying() returns trigger
language plpgsql
as $$
declare
  -- Arguments: the options of sluice.watch; a statement that returns all pairs (workspace, stream) of the table's rows, or
  -- '' if all rows have the same.
  options json := tg_argv[0];
  workspaces text[] := array[options ->> 'workspace'];
  streams text[] := array[options ->> 'stream'];
begin
  if tg_argv[1] <> '' then
    execute tg_argv[1] into workspaces, streams;
  end if;
  perform set_config('sluice.change', array(
    select unnest(array[t.workspace, t.stream, 'truncated', '{}', null])
    from unnest(workspaces, streams) with ordinality as t (workspace, stream, place) order by t.place
  )::text, true);
  return null;
end
$$;

comment on function sluice.describe_emptying is
  'Trigger of watched tables, with the writer''s rights. Describes a TRUNCATE as an event of each workspace and stream that '
  'loses rows, for publish_row.';

create function sluice.publish_row() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The options of sluice.watch.
  options json := tg_argv[0];
  name text := options ->> 'name';
  fixed boolean := options ->> 'workspace_column' is null and options ->> 'stream_column' is null
    and options ->> 'stream' is not null;
  off boolean := current_setting('sluice.watch', true) is not distinct from 'off';
  -- (workspace, stream, change, data, previous data) for each event.
  changes text[] := nullif(current_setting('sluice.change', true), '')::text[];
  reason text;
begin
  for i in 1 .. coalesce(cardinality(changes), 0) by 5 loop
    -- A row whose workspace or stream is null publishes nothing.
    continue when changes[i] is null or changes[i + 1] is null;
    perform sluice.check_type(name || '.' || changes[i + 2]);
    if fixed then
      perform sluice.check_names(changes[i], changes[i + 1]);
    else
      reason := sluice.why_unpublished(changes[i], changes[i + 1]);
      if reason is not null then
        perform sluice.note_unpublished(tg_relid, reason, case reason when 'workspace' then changes[i] else changes[i + 1] end, 1);
        continue;
      end if;
    end if;
    if off and changes[i + 2] <> 'truncated' then
      continue when exists (
        select from sluice.pending p where p.transaction_id = pg_current_xact_id() and p.workspace = changes[i]
          and p.stream = changes[i + 1] and p.type = name || '.bulk_changed'
      );
      changes[i + 2] := 'bulk_changed';
      changes[i + 3] := '{}';
      changes[i + 4] := null;
    end if;
    insert into sluice.pending (workspace, stream, type, data, watched)
    values (changes[i], changes[i + 1], name || '.' || changes[i + 2],
      sluice.row_data(changes[i + 3], changes[i + 4], options ->> 'old', tg_relid::regclass)::json,
      case when not fixed then tg_relid end);
  end loop;
  perform set_config('sluice.change', '', true);
  return null;
end
$$;

comment on function sluice.publish_row is
  'Trigger of watched tables, with the rights of Sluice''s owner. Publishes the events that the previous trigger described.';

-- The calls of a table's owner. ---------------------------------------------------------------------------------------

create or replace function sluice.unwatch(target regclass) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger_name name;
  watched boolean := false;
begin
  for trigger_name in
    select t.tgname from pg_trigger t
    where t.tgrelid = target and t.tgparentid = 0 and t.tgname ~ '^sluice_watch_[0-9]_'
    order by t.tgname
  loop
    execute format('drop trigger %I on %s', trigger_name, target);
    watched := true;
  end loop;
  return watched;
end
$$;

create function sluice.check_expression(target regclass, expression text, kind text) returns void
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
  open parsed for execute format('select %s from %s as new, %s as old', as_boolean, target, target);
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

comment on function sluice.check_expression is
  'Internal. Raises SL003 unless the text is one expression of the rows new and old of a table. Does not evaluate it.';

do $$
declare
  grants text;
begin
  -- Roles that may watch their tables need the new functions too.
  select string_agg(format('grant execute on function sluice.watch to %s%s;', a.grantee::regrole,
    case when a.is_grantable then ' with grant option' else '' end), ' ')
  into grants
  from pg_proc p, aclexplode(p.proacl) a
  where p.oid = 'sluice.watch'::regproc and a.grantee <> 0 and a.grantee <> p.proowner;
  perform set_config('sluice.grants', coalesce(grants, ''), true);
end
$$;

drop function sluice.watch(regclass, text, text, name, text, name[]);
create function sluice.watch(
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
  by_statement := relation.relkind = 'r' and not relation.relispartition and not always and condition is null and not by_expression
    and not exists (select from pg_inherits i where target in (i.inhrelid, i.inhparent))
    and not exists (
      select from pg_attribute a join pg_type t on t.oid = a.atttypid
      where a.attrelid = target and a.attnum > 0 and not a.attisdropped
        and (columns is null or a.attname = any (columns || array[workspace_column, stream_column]))
        and coalesce(nullif(t.typbasetype, 0), t.oid) >= 16384
        -- Arrays, composite types and domains of the application, and types with a cast to JSON of their own.
        and (t.typtype not in ('b', 'e', 'r', 'm') or t.typcategory = 'A'
          or exists (select from pg_cast c where c.castsource = t.oid and c.casttarget = 'json'::regtype))
    );

  perform sluice.unwatch(target);
  -- Triggers on the same change fire in the order of their names.
  if by_statement then
    execute format(
      'create trigger sluice_watch_1_begin before insert or update or delete on %s '
      'for each statement execute function sluice.begin_changes()', target);
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
  'sluice.begin_changes, sluice.publish_changes, sluice.describe_row, sluice.describe_emptying, sluice.publish_row to app;';

create view sluice.watches as
select t.tgrelid::regclass as table_name, w.options ->> 'name' as name, w.options ->> 'workspace' as workspace,
  w.options ->> 'workspace_column' as workspace_column, w.options ->> 'stream' as stream,
  w.options ->> 'stream_column' as stream_column, w.options ->> 'stream_expression' as stream_expression,
  case when w.options ->> 'columns' is not null then
    array(select c.name from json_array_elements_text(w.options -> 'columns') with ordinality as c (name, place) order by c.place)
  end as columns,
  w.options ->> 'old' as old, w.options ->> 'condition' as condition, (w.options ->> 'always')::boolean as always,
  case
    when exists (select from pg_trigger s where s.tgrelid = t.tgrelid and s.tgname = 'sluice_watch_1_begin') then 'statement'
    else 'row'
  end as fires_by,
  coalesce(u.rows, 0)::bigint as unpublished_rows, u.at as unpublished_at
from pg_trigger t
cross join lateral (
  select convert_from(substring(t.tgargs from 1 for position('\x00'::bytea in t.tgargs) - 1), getdatabaseencoding()) as text
) a
cross join lateral (
  -- A watch from before there were options has its name here.
  select case when starts_with(a.text, '{') then a.text::json else json_build_object('name', a.text) end as options
) w
left join lateral (
  select sum(u.rows) as rows, max(u.at) as at from sluice.unpublished_rows u
  where u.table_id in (select p.relid from pg_partition_tree(t.tgrelid) p union all select t.tgrelid)
) u on true
where t.tgname = 'sluice_watch_1_describe_truncate' and t.tgparentid = 0;

comment on view sluice.watches is
  'The watched tables with their options. fires_by: statement or row. unpublished_rows: how many of their rows published nothing '
  'because their workspace or stream is no name, is closed or has no room. A watch from before there were options shows its name only.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;

do $$
declare
  needed text := 'sluice.check_expression, sluice.begin_changes, sluice.publish_changes, sluice.describe_row, sluice.describe_emptying, '
    'sluice.publish_row';
  grants text := current_setting('sluice.grants');
begin
  if grants <> '' then
    execute grants;
    execute replace(grants, 'function sluice.watch to', format('function %s to', needed));
  end if;
end
$$;
