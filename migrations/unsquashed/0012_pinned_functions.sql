-- Up Migration

-- What a function does must not depend on the settings of the session that calls it: those of a role, of a database, of an
-- application. So every function in PL/pgSQL pins what names mean, how plans are made and how values are read and written
-- as text. A function in SQL with a body that the server parsed when it was made (RETURN …) depends on none of them.
--
-- Plans: `enable_seqscan = off` adds 1e10 to the cost of a plan that cannot do without a scan, and JIT compiles what is
-- expensive, so `jit` is off. Behind row-level security only a comparison that cannot leak may use an index: of columns
-- and parameters, without a cast, COALESCE or subscript in between.

-- A setting costs each call about a microsecond, so a function pins those that can matter to it.

create function sluice.pin_functions() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  target record;
begin
  for target in
    select p.oid::regprocedure as name, p.prosrc as body, 'interval'::regtype = any (p.proargtypes::oid[]) as has_interval
    from pg_proc p
    join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'sluice'::regnamespace and l.lanname = 'plpgsql'
    order by p.oid
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', target.name);
    -- Statements on tables.
    if target.body ~* '\m(from|into|update|execute)\M' then
      execute format('alter function %s set jit = off set plan_cache_mode = force_generic_plan set enable_seqscan = off '
        'set enable_indexscan = on set enable_nestloop = on set row_security = on', target.name);
    end if;
    -- Names in statements that are put together.
    if target.body ~* '\m(execute|regclass|regnamespace)\M' then
      execute format('alter function %s set quote_all_identifiers = off', target.name);
    end if;
    -- What a backslash in a literal means.
    if strpos(target.body, chr(92)) > 0 then
      execute format('alter function %s set standard_conforming_strings = on', target.name);
    end if;
    -- The text of rows of an application, and how it is handed over.
    if target.body ~ 'sluice\.change' then
      execute format('alter function %s set timezone = ''UTC'' set datestyle = ''ISO, MDY'' set intervalstyle = postgres '
        'set bytea_output = hex set extra_float_digits = 1 set lc_monetary = ''C'' set array_nulls = on', target.name);
    end if;
    -- How long a day is.
    if target.has_interval then
      execute format('alter function %s set timezone = ''UTC''', target.name);
    end if;
  end loop;
end
$$;

comment on function sluice.pin_functions is
  'Internal: pins the settings of all functions. Called after migrations, which make functions without them.';

-- Probes where there were scans. -----------------------------------------------------------------------------------

-- The planner may answer an EXISTS by reading all streams at once; a scalar subquery is always a probe.
alter policy own_workspace on sluice.events using (
  (select coalesce(current_setting('sluice.workspace', true), '') = '' and current_user <> 'sluice_request')
  or (select s.id from sluice.streams s where s.id = stream_id) is not null
);

create or replace function sluice.forget_keys(keep interval, at_most int) returns bigint
language plpgsql security definer
as $$
declare
  -- A comparison with clock_timestamp() itself, which is volatile, uses no index.
  cutoff timestamptz := clock_timestamp() - keep;
  removed bigint;
begin
  -- SKIP LOCKED: a key that a publish is using right now stays for the next time.
  delete from sluice.idempotency_keys k
  where k.ctid = any (array(
    select o.ctid from sluice.idempotency_keys o
    where o.created_at < cutoff
    order by o.created_at limit at_most
    for update skip locked
  ));
  get diagnostics removed = row_count;
  return removed;
end
$$;

revoke all on all functions in schema sluice from public;
