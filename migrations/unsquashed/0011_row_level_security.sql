-- Up Migration

-- A second wall between workspaces. The first is the `where workspace = …` of each statement; where one is forgotten or
-- wrong, the tables themselves show nothing of another workspace (I7), and take nothing for it.
--
-- A request's transaction is told its workspace by `sluice.workspace` (src/database/workspace.ts). What works for all
-- workspaces is not: the tailer, retention, leases, publishers, an operator's session. FORCE binds the tables' owner as
-- well. Nothing binds a superuser or a role with BYPASSRLS; a gateway that connects as one lets its requests take on
-- the role sluice_request, which sees nothing at all until it is told a workspace. So does an owner that was granted it.

create function sluice.guard(target regclass, is_own text default 'workspace = (select current_setting(''sluice.workspace'', true))')
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  -- Subqueries, because these are evaluated once a statement and not once a row.
  execute format(
    'create policy own_workspace on %s using ('
    '(select coalesce(current_setting(''sluice.workspace'', true), '''') = '''' and current_user <> ''sluice_request'') or %s)',
    target, is_own
  );
end
$$;

comment on function sluice.guard is
  'Internal, for migrations: shows a transaction that is told a workspace the rows of that one only. is_own: what is true '
  'of those. Every table that has a workspace needs it.';

do $$
declare
  target regclass;
begin
  for target in
    select c.oid from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace' and not a.attisdropped
    where c.relnamespace = 'sluice'::regnamespace and c.relkind = 'r'
    order by c.relname
  loop
    perform sluice.guard(target);
  end loop;
  -- An event belongs to whom its stream belongs, and a stream that is not shown is not found here. The owner is not
  -- bound: the look at the policy would cost each replay a sixth and each append a tenth, and without its stream's
  -- number nobody finds an event.
  perform sluice.guard('sluice.events', 'exists (select from sluice.streams s where s.id = stream_id)');
  alter table sluice.events no force row level security;
end
$$;

create function sluice.raise_wall() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  me record;
  target record;
begin
  select r.rolsuper, r.rolbypassrls into me from pg_roles r where r.rolname = current_user;
  if to_regrole('sluice_request') is null and (me.rolsuper or me.rolbypassrls) then
    begin
      create role sluice_request nologin;
    exception
      when insufficient_privilege then return;
      -- A gateway that starts on another database of this server was quicker.
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if me.rolbypassrls and not me.rolsuper then
    begin
      grant sluice_request to current_user;
    exception
      when insufficient_privilege then null;
    end;
  end if;
  if not coalesce(pg_has_role(to_regrole('sluice_request'), 'member'), false) then
    return;
  end if;

  if not has_schema_privilege('sluice_request', 'sluice', 'usage') then
    grant usage on schema sluice to sluice_request;
  end if;
  for target in
    select c.oid::regclass as name, case
      -- Only functions write the log.
      when c.relname in ('streams', 'events', 'jobs') then 'select'
      else 'select, insert, update, delete'
    end as rights
    from pg_class c
    where c.relnamespace = 'sluice'::regnamespace and c.relkind = 'r' and c.relrowsecurity
      and c.relname not in ('pending', 'idempotency_keys')
      and not has_table_privilege('sluice_request', c.oid, 'select')
  loop
    execute format('grant %s on %s to sluice_request', target.rights, target.name);
  end loop;
  for target in
    select p.oid::regprocedure as name from pg_proc p
    where p.pronamespace = 'sluice'::regnamespace
      and p.proname in ('append', 'ensure_stream', 'publish_access_change', 'is_workspace')
      and not has_function_privilege('sluice_request', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to sluice_request', target.name);
  end loop;
end
$$;

comment on function sluice.raise_wall is
  'Internal, at each start, also after a restore into a server that does not know the role sluice_request: makes it where '
  'the gateway''s own role bypasses row-level security, and gives it what requests need where the gateway may take it on.';

-- What is told to functions. ---------------------------------------------------------------------------------------

-- They are their owner's, whom a superuser's rights may put above the tables' rules.
create or replace function sluice.check_names(workspace text, stream text, system boolean default false, watched regclass default null)
returns void
language plpgsql stable
as $$
begin
  perform sluice.check_name_forms(workspace, stream, system, watched);
  if workspace <> nullif(current_setting('sluice.workspace', true), '') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('this transaction is of another workspace than %L', workspace);
  end if;
  if starts_with(stream, 'job:') then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the stream %L is that of a job, and takes events through the job only', stream),
      hint = 'POST /api/jobs/:id/events appends to it.';
  end if;
end
$$;

comment on function sluice.check_names is
  'Internal. Raises SL002 unless anybody may append to a stream of this name, 42501 when the transaction is of another workspace.';

-- At COMMIT, when what the transaction was told for its own statements no longer matters. The rest is as before.
create or replace function sluice.append_pending() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
  ids bigint[];
begin
  if told <> '' then
    perform set_config('sluice.workspace', '', true);
  end if;
  -- Called once for each event of the transaction. The first call takes them all, so the others find theirs gone.
  if exists (
    select from sluice.pending p where p.transaction_id = new.transaction_id and p.ordinal = new.ordinal
  ) then
    select sluice.lock_streams(array_agg(t.workspace), array_agg(t.stream)) into ids
    from (select distinct p.workspace, p.stream from sluice.pending p where p.transaction_id = new.transaction_id) t;
    perform sluice.refuse_closed(ids);

    begin
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor)
      select t.stream_id, t.position + row_number() over (partition by t.stream_id order by p.ordinal),
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

    -- A payload has at most 7,999 bytes, a number at most 19 digits and its comma.
    if current_setting('sluice.notify', true) is distinct from 'off' then
      perform pg_notify('sluice_wake', ':' || string_agg(i.id::text, ','))
      from unnest(ids) with ordinality as i (id, place)
      group by (i.place - 1) / 380;
    end if;
  end if;
  if told <> '' then
    perform set_config('sluice.workspace', told, true);
  end if;
  return null;
end
$$;

-- A change of one workspace's access is told on the system's own stream.
create or replace function sluice.publish_access_change(change json) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
begin
  perform set_config('sluice.workspace', '', true);
  perform sluice.check_data(change);
  perform sluice.ensure_stream('$system', 'access', 'access');
  insert into sluice.pending (workspace, stream, type, data)
  values ('$system', 'access', 'access.changed', change);
  perform set_config('sluice.workspace', told, true);
end
$$;

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
