-- Up Migration

-- A backfill reads rows by a key whose type is from an extension, such as citext, in the order of that type.
--
-- Before, its statements found the operators of pg_catalog alone: for citext those of text, which have another order, so that rows
-- were passed over.

create or replace function sluice.backfill_key(
  target regclass, out columns text, out descending text, out as_text text, out reached text, out last text
)
language plpgsql
as $$
declare
  key record;
  same_as_reached text := '';
  same_as_last text := '';
begin
  select array_agg(format('new.%I', a.attname) order by k.place) as names,
    array_agg(format('($1)[%s]::%s', k.place, format_type(a.atttypid, a.atttypmod)) order by k.place) as reached,
    array_agg(format('($2)[%s]::%s', k.place, format_type(a.atttypid, a.atttypmod)) order by k.place) as last,
    array_agg(coalesce(o.less, '<') order by k.place) as less,
    array_agg(coalesce(o.same, '=') order by k.place) as same,
    array_agg(coalesce(o.more, '>') order by k.place) as more,
    bool_or(o.more is not null) as own
  into key
  from (
    select i.indkey::smallint[] as numbers from pg_index i
    where i.indrelid = target and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
      and i.indnkeyatts = i.indnatts and not exists (
        select from pg_attribute a where a.attrelid = target and a.attnum = any (i.indkey) and not a.attnotnull
      )
    order by i.indisprimary desc, i.indexrelid limit 1
  ) i
  cross join lateral unnest(i.numbers) with ordinality as k (number, place)
  join pg_attribute a on a.attrelid = target and a.attnum = k.number
  -- The operators by which ORDER BY sorts, if they are not in pg_catalog.
  left join lateral (
    with recursive bases as (
      select a.atttypid as id
      union all
      select t.typbasetype from bases b join pg_type t on t.oid = b.id where t.typbasetype <> 0
    )
    select max(format('operator(%I.%s)', n.nspname, p.oprname)) filter (where m.amopstrategy = 1) as less,
      max(format('operator(%I.%s)', n.nspname, p.oprname)) filter (where m.amopstrategy = 3) as same,
      max(format('operator(%I.%s)', n.nspname, p.oprname)) filter (where m.amopstrategy = 5) as more
    from bases b
    join pg_opclass c on c.opcintype = b.id and c.opcdefault
    join pg_am on pg_am.oid = c.opcmethod and pg_am.amname = 'btree'
    join pg_amop m on m.amopfamily = c.opcfamily and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype
    join pg_operator p on p.oid = m.amopopr
    join pg_namespace n on n.oid = p.oprnamespace
    where n.nspname <> 'pg_catalog'
  ) o on true;

  columns := array_to_string(key.names, ', ');
  descending := array_to_string(key.names, ' desc, ') || ' desc';
  as_text := array_to_string(key.names, '::text, ') || '::text';
  if key.own is not true then
    reached := format('(%s) > (%s)', columns, array_to_string(key.reached, ', '));
    last := format('(%s) <= (%s)', columns, array_to_string(key.last, ', '));
    return;
  end if;
  -- A comparison of rows looks up one operator by name for all columns.
  for i in 1 .. cardinality(key.names) loop
    reached := concat_ws(' or ', reached, same_as_reached || format('%s %s %s', key.names[i], key.more[i], key.reached[i]));
    last := concat_ws(' or ', last, same_as_last || format('%s %s %s', key.names[i], key.less[i], key.last[i]));
    same_as_reached := same_as_reached || format('%s %s %s and ', key.names[i], key.same[i], key.reached[i]);
    same_as_last := same_as_last || format('%s %s %s and ', key.names[i], key.same[i], key.last[i]);
  end loop;
  reached := format('(%s)', reached);
  last := format('(%s or %strue)', last, same_as_last);
end
$$;

comment on function sluice.backfill_key is
  'Internal. The columns of a table''s primary key, or of another unique key without nulls, as parts of a statement: as a list, in '
  'descending order, as texts; and the conditions that a row is beyond the key $1, and not beyond the key $2, each a text[]. Null '
  'without a key.';

create or replace function sluice.backfill(target regclass, "as" text default 'backfilled', batch int default 1000, run text default 'first')
returns table (published bigint, total bigint, done boolean)
language plpgsql
set timezone = 'UTC' set datestyle = 'ISO, MDY' set intervalstyle = postgres
set bytea_output = hex set extra_float_digits = 1 set lc_monetary = 'C' set array_nulls = on
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
  beyond := case when progress.reached is null then 'true' else key.reached end;
  up_to := key.last;

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
