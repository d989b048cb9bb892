-- Up Migration

-- Row-level security: the second barrier between workspaces, behind the `where workspace = …` of each statement.
--
-- Invariant (I7): in a transaction that has set `sluice.workspace`, the tables show and accept rows of that workspace only.
-- The gateway sets it for each request from the caller's credentials. So a statement whose `where` is missing or wrong finds
-- nothing of another workspace.
--
-- Work that spans all workspaces leaves the setting empty and sees everything: the tailer, retention, the sweep of leases,
-- the publisher, an operator's session. FORCE applies the policies to the tables' owner too. Nothing applies them to a
-- superuser or to a role with BYPASSRLS, so a gateway that connects as one runs its requests as the role sluice_request,
-- which sees no row at all until a workspace is set. An owner that was granted sluice_request does the same.

-- The gateway creates the schema before it applies this file, unless an administrator created it beforehand.
comment on schema sluice is
  'The log of Sluice. To let an application publish from its own transactions: '
  'grant usage on schema sluice to app; grant execute on function sluice.publish to app;';

create function sluice.guard(target regclass, is_own text default 'workspace = (select current_setting(''sluice.workspace'', true))')
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  -- Subqueries are evaluated once per statement, not once per row.
  execute format(
    'create policy own_workspace on %s using ('
    '(select coalesce(current_setting(''sluice.workspace'', true), '''') = '''' and current_user <> ''sluice_request'') or %s)',
    target, is_own
  );
end
$$;

comment on function sluice.guard is
  'Internal, for migrations. Adds row-level security to a table: a transaction that has set sluice.workspace sees the rows '
  'of that workspace only. is_own: the condition that is true of these rows. Every table with a workspace needs it.';

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
      -- A gateway that starts on another database of this server created it first.
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
      and c.relname not in ('pending', 'idempotency_keys', 'stream_counts')
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
  'Internal. Creates the role sluice_request where the gateway''s own role bypasses row-level security, and grants it what '
  'requests need where the gateway may use that role. Called at each start: a database that was restored into another server '
  'does not bring the role along.';

revoke all on all functions in schema sluice from public;
