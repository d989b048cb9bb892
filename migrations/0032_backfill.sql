-- Up Migration

-- Backfill: the rows that a watched table has already become events, a batch of them with each call.
--
-- Invariant: a follower ends with the last state of each row, whatever is written to the table meanwhile. A batch locks its
-- rows before it reads them, and its transaction holds the locks until its events are in the log. So a change of such a row
-- is either committed before, in which case the batch reads its result, or its event comes later than that of the batch.
--
-- A batch never waits for a row while it holds others, so it takes part in no deadlock: if one of its rows is locked, it
-- takes fewer rows, and waits only for a single one.
--
-- Progress is the key of the last row, in the same transaction as the events: no row is lost or repeated by a crash.

create table sluice.backfills (
  table_id oid not null,
  run text collate "C" not null check (octet_length(run) <= 128),
  -- Values of the key's columns as text: of the last row that is published, and of the last row of all.
  reached text[],
  last text[],
  rows bigint not null default 0,
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  primary key (table_id, run)
);

comment on table sluice.backfills is
  'How far each backfill of a watched table has come. Rows that are inserted behind the last one are published by the watch.';
comment on column sluice.backfills.run is 'The name of the backfill. Another name backfills the table once more.';
comment on column sluice.backfills.ended_at is 'Null while rows are left.';

create function sluice.refuse_others_table(target regclass) returns void
language plpgsql
as $$
begin
  -- In a function with the rights of Sluice's owner, current_user is that owner. The role of the session is the one that it
  -- has set, or else the one that it logged in as.
  if not exists (
    select from pg_class c
    where c.oid = target and pg_has_role(coalesce(nullif(current_setting('role'), 'none'), session_user)::name, c.relowner, 'USAGE')
  ) then
    perform sluice.refuse_watch(format('%s belongs to another role', target),
      'Let a session of its owner call this: the rights of a function around it do not count.');
  end if;
end
$$;

comment on function sluice.refuse_others_table is
  'Internal. Raises SL003 unless the role of the session has the rights of the table''s owner.';

create function sluice.backfill_progress(target regclass, run text)
returns table (reached text[], last text[], rows bigint, ended_at timestamptz)
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.refuse_others_table(target);
  -- Locks the progress: a second call for the same backfill waits, and then continues behind the first.
  return query
  select b.reached, b.last, b.rows, b.ended_at from sluice.backfills b
  where b.table_id = target and b.run = backfill_progress.run for update;
  if not found then
    insert into sluice.backfills as b (table_id, run) values (target, backfill_progress.run) on conflict do nothing;
    return query
    select b.reached, b.last, b.rows, b.ended_at from sluice.backfills b
    where b.table_id = target and b.run = backfill_progress.run for update;
  end if;
end
$$;

comment on function sluice.backfill_progress is 'Internal. Begins a backfill or continues it, and locks its progress.';

create function sluice.publish_backfilled(
  target regclass, run text, reached text[], last text[], type text, fixed boolean, workspaces text[], streams text[], data text[]
)
returns bigint
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  published bigint := 0;
  part record;
begin
  perform sluice.refuse_others_table(target);
  perform sluice.check_type(publish_backfilled.type);
  -- As sluice.publish_row does it for changes.
  if fixed and cardinality(publish_backfilled.data) > 0 then
    perform sluice.check_target(workspaces[1], streams[1]);
  end if;
  for part in
    with found as materialized (
      select f.workspace, f.stream, f.data, f.place
      from unnest(workspaces, streams, publish_backfilled.data) with ordinality as f (workspace, stream, data, place)
      where f.workspace is not null and f.stream is not null
    ),
    targets as materialized (
      select t.workspace, t.stream, sluice.why_unpublished(t.workspace, t.stream) as reason
      from (select distinct f.workspace, f.stream from found f) t
    ),
    stored as (
      insert into sluice.pending (workspace, stream, type, data, leads, watched)
      select f.workspace, f.stream, publish_backfilled.type, sluice.row_data(f.data, null, 'none', target)::json,
        row_number() over (order by f.place) = 1, case when not fixed then target::oid end
      from found f join targets t on t.workspace = f.workspace and t.stream = f.stream
      where t.reason is null order by f.place
    )
    select t.reason, min(case t.reason when 'workspace' then t.workspace else t.stream end) as value, count(*) as amount
    from found f join targets t on t.workspace = f.workspace and t.stream = f.stream
    group by t.reason
  loop
    if part.reason is null then
      published := part.amount;
    else
      perform sluice.note_unpublished(target, part.reason, part.value, part.amount);
    end if;
  end loop;
  update sluice.backfills b
  set reached = publish_backfilled.reached, last = publish_backfilled.last, rows = b.rows + published,
    ended_at = case when publish_backfilled.reached is not distinct from publish_backfilled.last then clock_timestamp() end
  where b.table_id = target and b.run = publish_backfilled.run;
  return published;
end
$$;

comment on function sluice.publish_backfilled is 'Internal. Publishes a batch of rows, and notes how far the backfill has come.';

create function sluice.backfill_key(
  target regclass, out columns text, out descending text, out as_text text, out reached text, out last text
)
language plpgsql
as $$
begin
  select string_agg(format('new.%I', a.attname), ', ' order by k.place),
    string_agg(format('new.%I desc', a.attname), ', ' order by k.place),
    string_agg(format('new.%I::text', a.attname), ', ' order by k.place),
    string_agg(format('($1)[%s]::%s', k.place, format_type(a.atttypid, a.atttypmod)), ', ' order by k.place),
    string_agg(format('($2)[%s]::%s', k.place, format_type(a.atttypid, a.atttypmod)), ', ' order by k.place)
  into columns, descending, as_text, reached, last
  from (
    select i.indkey::smallint[] as numbers from pg_index i
    where i.indrelid = target and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
      and i.indnkeyatts = i.indnatts and not exists (
        select from pg_attribute a where a.attrelid = target and a.attnum = any (i.indkey) and not a.attnotnull
      )
    order by i.indisprimary desc, i.indexrelid limit 1
  ) i
  cross join lateral unnest(i.numbers) with ordinality as k (number, place)
  join pg_attribute a on a.attrelid = target and a.attnum = k.number;
end
$$;

comment on function sluice.backfill_key is
  'Internal. The columns of a table''s primary key, or of another unique key without nulls, as parts of a statement: as a list, in '
  'descending order, as texts; and the values of two keys that are the parameters $1 and $2, each a text[]. Null without a key.';

create function sluice.backfill(target regclass, "as" text default 'backfilled', batch int default 1000, run text default 'first')
returns table (published bigint, total bigint, done boolean)
language plpgsql
set timezone = 'UTC' set datestyle = 'ISO, MDY' set intervalstyle = postgres
set bytea_output = hex set extra_float_digits = 1 set lc_monetary = 'C'
as $$
#variable_conflict use_column
declare
  relation record;
  -- The options of sluice.watch.
  options json;
  fixed boolean;
  progress record;
  key record;
  source text;
  shown text := 'row_to_json(new.*)';
  workspace text;
  stream text;
  beyond text;
  up_to text;
  size int := batch;
  reached text[];
  final text[];
  workspaces text[];
  streams text[];
  contents text[];
begin
  select c.relkind, pg_has_role(c.relowner, 'USAGE') as owned into relation from pg_class c where c.oid = target;
  if not coalesce(relation.owned, false) then
    perform sluice.refuse_watch(format('%s belongs to another role', target), 'Let its owner call this.');
  end if;
  if row_security_active(target) then
    perform sluice.refuse_watch(format('row-level security may hide rows of %s from this role', target),
      'Call this as the owner of a table without FORCE ROW LEVEL SECURITY, or as a role with BYPASSRLS.');
  end if;
  if batch not between 1 and 10000 or batch is null then
    perform sluice.refuse_watch('batch is not a number from 1 to 10000', 'Omit it to publish 1000 rows with each call.');
  end if;
  if "as" in ('deleted', 'truncated') or "as" !~ '^[a-z][a-z0-9_-]{0,31}$' or "as" is null then
    perform sluice.refuse_watch(format('%L cannot be the last part of the type of a row that exists', left("as", 200)),
      'Omit it for backfilled, or pass created if clients know only that.');
  end if;
  select convert_from(substring(t.tgargs from 1 for position('\x00'::bytea in t.tgargs) - 1), getdatabaseencoding())::json into options
  from pg_trigger t
  where t.tgrelid = target and t.tgname = 'sluice_watch_2_publish_truncate' and starts_with(encode(t.tgargs, 'escape'), '{');
  if not found then
    perform sluice.refuse_watch(format('%s is not watched, or since a version without backfill', target),
      'Watch it first: select sluice.watch(…).');
  end if;
  key := sluice.backfill_key(target);
  if key.columns is null then
    perform sluice.refuse_watch(format('%s has no key by which its rows can be read in order', target),
      'Add a primary key, or a unique index on columns that are not null.');
  end if;

  progress := sluice.backfill_progress(target, run);
  if progress.ended_at is not null then
    return query select 0::bigint, progress.rows, true;
    return;
  end if;

  -- What a row shows and where its event goes, as sluice.watch reads its options.
  fixed := options ->> 'workspace_column' is null and options ->> 'stream' is not null;
  workspace := case
    when options ->> 'workspace_column' is not null then format('new.%I::text', options ->> 'workspace_column')
    else quote_literal(options ->> 'workspace')
  end;
  stream := case
    when options ->> 'stream_column' is not null then format('new.%I::text', options ->> 'stream_column')
    when options ->> 'stream_expression' is not null then format(E'(%s\n)::text', options ->> 'stream_expression')
    else quote_literal(options ->> 'stream')
  end;
  if options ->> 'columns' is not null then
    select format('(select row_to_json(c.*) from (select %s) c)', string_agg(format('new.%I', u.name), ', ' order by u.place))
    into shown
    from json_array_elements_text(options -> 'columns') with ordinality as u (name, place);
  end if;
  source := format('%s%s new', case relation.relkind when 'p' then '' else 'only ' end, target);
  final := progress.last;
  if final is null then
    execute format('select array[%s] from %s order by %s limit 1', key.as_text, source, key.descending) into final;
  end if;
  beyond := case when progress.reached is null then 'true' else format('(%s) > (%s)', key.columns, key.reached) end;
  up_to := format('(%s) <= (%s)', key.columns, key.last);

  if final is not null then
    loop
      -- The end of the batch is fixed before its rows are locked, because a row that another transaction has just given
      -- another key would come in the place of its old one.
      execute format('select array[%s] from %s where %s and %s order by %s offset %s limit 1',
        key.as_text, source, beyond, up_to, key.columns, size - 1)
      into reached using progress.reached, final;
      reached := coalesce(reached, final);
      begin
        execute format(
          E'select array_agg(f.workspace), array_agg(f.stream), array_agg(f.data) from ('
          'select %s as workspace, %s as stream, %s::text as data from %s%s where %s and %s%s\n order by %s for share of new %s) f',
          workspace, stream, shown, source,
          -- The condition sees a row as if it were inserted.
          case when options ->> 'condition' is not null then format(' cross join (select (null::%s).*) old', target) end,
          beyond, up_to, E' and (' || (options ->> 'condition') || E'\n)', key.columns, case when size > 1 then 'nowait' end)
        into workspaces, streams, contents
        using progress.reached, reached;
        exit;
      exception
        when lock_not_available then size := greatest(size / 8, 1);
        -- A row that was just moved to another partition cannot be locked. The next snapshot has it in its new place.
        when serialization_failure then
          if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
            raise;
          end if;
      end;
    end loop;
  end if;

  done := reached is not distinct from final;
  published := sluice.publish_backfilled(
    target, run, reached, final, format('%s.%s', options ->> 'name', "as"), fixed, workspaces, streams, contents);
  total := progress.rows + published;
  return next;
end
$$;

comment on function sluice.backfill is
  'Publishes the next rows of a watched table, as <name>.backfilled, with the data, workspace and stream that the watch gives '
  'them. Returns how many this call has published, how many the backfill has published in total, and whether it is done. Call it, '
  'and commit, until done is true; after a crash or an error, call it again.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
