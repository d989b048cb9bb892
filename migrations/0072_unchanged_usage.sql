-- Up Migration

-- A count of the usage writes the sums that have changed, and the time of the count once.
--
-- Before, each count wrote a row for each workspace, only because the time of the count stood in it.

create table sluice.usage_pass (
  one boolean primary key default true check (one),
  begun_at timestamptz not null
);

comment on table sluice.usage_pass is 'The last count of all streams, which sluice.usage is the result of.';
comment on column sluice.usage_pass.begun_at is 'When the count began: everything that was committed before is in it.';

-- A workspace sees when it was counted, and writes nothing here.
select sluice.guard('sluice.usage_pass', 'false');
create policy of_everybody on sluice.usage_pass for select using (true);

insert into sluice.usage_pass (begun_at) select max(u.counted_at) from sluice.usage u having count(*) > 0;

comment on column sluice.usage.counted_at is
  'When a count began that had these sums, at most a minute before the last one. sluice.usage_pass has the time of that.';

create or replace function sluice.store_usage(totals json, counted_at timestamptz) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  -- A process that was suspended does not replace the result of a later count, unless the clock was ahead then.
  insert into sluice.usage_pass as p (begun_at) values (store_usage.counted_at)
  on conflict (one) do update set begun_at = excluded.begun_at
  where p.begun_at <= excluded.begun_at or p.begun_at > clock_timestamp() + interval '1 minute';
  if not found then
    return;
  end if;
  with counted as materialized (
    select t.workspace collate "C" as workspace, sum(t.streams)::bigint as streams, sum(t.jobs)::bigint as jobs,
      sum(t.events)::bigint as events, sum(t.bytes)::bigint as bytes
    from json_to_recordset(totals) as t (workspace text, streams bigint, jobs bigint, events bigint, bytes bigint)
    group by 1
  ),
  removed as (
    delete from sluice.usage u where not exists (select from counted c where c.workspace = u.workspace)
  )
  insert into sluice.usage as u (workspace, streams, jobs, events, bytes, counted_at)
  select c.*, store_usage.counted_at
  from counted c left join sluice.usage k on k.workspace = c.workspace
  where (k.streams, k.jobs, k.events, k.bytes) is distinct from (c.streams, c.jobs, c.events, c.bytes)
    -- A gateway of the version before takes this for the time of the last count, and adds what it has admitted since: with an
    -- old time it would count events twice, and refuse more of them.
    or k.counted_at not between store_usage.counted_at - interval '1 minute' and store_usage.counted_at
  order by c.workspace
  on conflict (workspace) do update set streams = excluded.streams, jobs = excluded.jobs, events = excluded.events,
    bytes = excluded.bytes, counted_at = excluded.counted_at;
end
$$;

comment on function sluice.store_usage is
  'Internal. Makes sluice.usage the result of a count of all streams. A workspace may have several sums in totals, which are added up.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
