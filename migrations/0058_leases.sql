-- Up Migration

-- Work that exactly one process should do at a time, such as passing on the wakes of SQL publishers. A lease is held until a time, by this
-- server's clock, and renewed before.
--
--   free or run out ── hold_lease ──▶ held ── leave_lease, or not renewed in time ──▶ free
--
-- Invariant: the table may be emptied at any time: it is unlogged. Two processes may hold a lease for a moment then, so only work that
-- may be done twice is given by a lease.

create unlogged table sluice.leases (
  name   text collate "C" primary key,
  holder uuid not null,
  until  timestamptz not null
) with (fillfactor = 50);

comment on table sluice.leases is 'Who does the work that one process alone should do, until when.';
comment on column sluice.leases.holder is 'The process.';

create function sluice.hold_lease(name text, holder uuid, duration_ms integer) returns boolean
language plpgsql security definer
as $$
#variable_conflict use_variable
declare
  present timestamptz := clock_timestamp();
begin
  -- The usual case of all processes but one: nothing is locked or written.
  if exists (select from sluice.leases l where l.name = name and l.holder <> holder and l.until > present) then
    return false;
  end if;
  insert into sluice.leases as l values (name, holder, present + duration_ms * interval '1 ms')
  on conflict on constraint leases_pkey do update set holder = excluded.holder, until = excluded.until
  where l.holder = excluded.holder or l.until <= present;
  return found;
end
$$;

comment on function sluice.hold_lease is
  'Takes the lease of this name, or renews it, for duration_ms; returns false if another process has it.';

create function sluice.leave_lease(name text, holder uuid) returns void
language plpgsql security definer
as $$
begin
  delete from sluice.leases l where l.name = leave_lease.name and l.holder = leave_lease.holder;
end
$$;

comment on function sluice.leave_lease is 'Gives a lease up, so that another process need not wait for its end.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
