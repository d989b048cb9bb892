-- Up Migration

-- Row-level security for grants: the second barrier behind the gateway's check, as far as a request reads for one caller.
--
-- Invariant (I7): in a transaction that has set `sluice.readable_names`, `streams` and `jobs` show only rows that these names and
-- the prefixes in `sluice.readable_prefixes` grant, and `items` and `item_revisions` only if they grant the feed. Both are lists
-- with a line feed between their elements; the names begin with one, so that no name at all is not an empty text.
--
-- Only transactions that read set them: a caller may write to streams that it may not read, and writing reads their rows.
-- The number of a stream is looked up in `streams`, so events are read by numbers that were found within the grants.

create function sluice.reads_job(workspace text, name text) returns boolean
language plpgsql stable
as $$
begin
  return exists (select from sluice.jobs j where j.workspace = reads_job.workspace and j.name = reads_job.name);
end
$$;

comment on function sluice.reads_job is
  'Internal. Whether the transaction shows the job of that name, by its own name or by that of its project.';

-- The settings are read for each row: most statements read one, and a subquery costs each statement more to set up. The planner takes
-- a CASE for true of every other row, which changes no plan; an OR it takes for a rare match, and would sort all jobs of a workspace
-- to show a page of them.
create policy granted on sluice.streams as restrictive for select using (case
  when coalesce(current_setting('sluice.readable_names', true), '') = '' then true
  when name = any (string_to_array(current_setting('sluice.readable_names', true), E'\n')) then true
  when name ^@ any (string_to_array(current_setting('sluice.readable_prefixes', true), E'\n')) then true
  else kind = 'job' and sluice.reads_job(workspace, substr(name, 5))
end);

-- The names of a job are those of src/jobs/job-grants.ts.
create policy granted on sluice.jobs as restrictive for select using (case
  when coalesce(current_setting('sluice.readable_names', true), '') = '' then true
  when 'job:' || name = any (string_to_array(current_setting('sluice.readable_names', true), E'\n')) then true
  when 'job:' || name ^@ any (string_to_array(current_setting('sluice.readable_prefixes', true), E'\n')) then true
  when 'project/' || replace(replace(replace(project, '%', '%25'), '/', '%2F'), '*', '%2A') || '/' || name
    = any (string_to_array(current_setting('sluice.readable_names', true), E'\n')) then true
  when 'project/' || replace(replace(replace(project, '%', '%25'), '/', '%2F'), '*', '%2A') || '/' || name
    ^@ any (string_to_array(current_setting('sluice.readable_prefixes', true), E'\n')) then true
  else false
end);

create policy granted on sluice.items as restrictive for select using (case
  when coalesce(current_setting('sluice.readable_names', true), '') = '' then true
  else (select 'feed' = any (string_to_array(current_setting('sluice.readable_names', true), E'\n'))
            or 'feed' ^@ any (string_to_array(current_setting('sluice.readable_prefixes', true), E'\n')))
end);
create policy granted on sluice.item_revisions as restrictive for select using (case
  when coalesce(current_setting('sluice.readable_names', true), '') = '' then true
  else (select 'feed' = any (string_to_array(current_setting('sluice.readable_names', true), E'\n'))
            or 'feed' ^@ any (string_to_array(current_setting('sluice.readable_prefixes', true), E'\n')))
end);

-- A policy calls reads_job.
create or replace function sluice.raise_wall() returns void
language plpgsql
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
      when c.relname in ('streams', 'events', 'jobs', 'workspaces', 'deleted_streams', 'compactions', 'latest') then 'select'
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
      and p.proname in ('append', 'ensure_stream', 'publish_access_change', 'is_workspace', 'configure_stream',
        'configure_workspace', 'close_stream', 'delete_stream', 'reads_job')
      -- These take the number of any stream.
      and p.oid <> 'sluice.close_stream(bigint)'::regprocedure
      and not has_function_privilege('sluice_request', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to sluice_request', target.name);
  end loop;
end
$$;

revoke all on all functions in schema sluice from public;
