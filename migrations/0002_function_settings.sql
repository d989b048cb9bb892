-- Up Migration

-- The settings that our functions run with.
--
-- Invariant: the result of a function never depends on the settings of the session that calls it, whether they come from
-- the role, the database or the application. Every PL/pgSQL function therefore pins how names are resolved, how plans are
-- made, and how values are read and written as text. A function in SQL whose body the server parsed when it was created
-- (RETURN …) depends on none of these settings.
--
-- Plans: `enable_seqscan = off` adds 1e10 to the cost of every plan that needs a scan, and JIT compiles expensive plans,
-- so `jit` is off. Behind row-level security only a comparison that cannot leak may use an index: one of plain columns and
-- parameters, with no cast, COALESCE or subscript in between.
--
-- Each setting costs about a microsecond per call, so a function pins only the settings that can matter to it.

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
    -- Names in statements that the function assembles.
    if target.body ~* '\m(execute|regclass|regnamespace)\M' then
      execute format('alter function %s set quote_all_identifiers = off', target.name);
    end if;
    -- The meaning of a backslash in a literal.
    if strpos(target.body, chr(92)) > 0 then
      execute format('alter function %s set standard_conforming_strings = on', target.name);
    end if;
    -- The text of an application's rows, and how one trigger passes it to the next.
    if target.body ~ 'sluice\.change' then
      execute format('alter function %s set timezone = ''UTC'' set datestyle = ''ISO, MDY'' set intervalstyle = postgres '
        'set bytea_output = hex set extra_float_digits = 1 set lc_monetary = ''C'' set array_nulls = on', target.name);
    end if;
    -- The length of a day.
    if target.has_interval then
      execute format('alter function %s set timezone = ''UTC''', target.name);
    end if;
  end loop;
end
$$;

comment on function sluice.pin_functions is
  'Internal. Pins the settings of all functions. Called after migrations, because a function that is created or replaced has '
  'only the settings that its definition names.';

revoke all on all functions in schema sluice from public;
