-- Up Migration

-- The processes that deliver webhooks: they share the endpoints evenly, so each has to know how many there are. A process that does
-- not deliver (WEBHOOKS=off), or is no node of the cluster, is no part of this; so the table of the nodes does not serve.
--
-- Invariant: the table may be emptied at any time. It is unlogged, and a process inserts its row again within a second. A row that
-- is wrong or missing makes shares uneven, and nothing else: leases alone decide who delivers.

create unlogged table sluice.deliverers (
  node     uuid primary key,
  alive_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

comment on table sluice.deliverers is 'The processes that deliver webhooks at present, while there are active ones.';
comment on column sluice.deliverers.alive_at is 'When the process has renewed its row, about every three seconds.';

create function sluice.join_deliverers(node uuid, ttl_ms integer, out nodes integer, out webhooks integer)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  ttl interval := ttl_ms * interval '1 millisecond';
begin
  nodes := 1;
  webhooks := (select count(*) from sluice.consumers c where c.kind = 'webhook' and c.active);
  -- Without webhooks, nothing is written every few seconds.
  if webhooks = 0 then
    return;
  end if;
  update sluice.deliverers d set alive_at = present where d.node = join_deliverers.node and d.alive_at < present - ttl / 3;
  if not found then
    insert into sluice.deliverers as d (node) values (join_deliverers.node) on conflict do nothing;
  end if;
  delete from sluice.deliverers d where d.node = any (array(
    select o.node from sluice.deliverers o where o.alive_at < present - ttl for update skip locked
  ));
  nodes := (select count(*) from sluice.deliverers);
end
$$;

comment on function sluice.join_deliverers is
  'Notes that a process delivers webhooks, removes those that have not done so for ttl_ms, and returns how many there are, with it, '
  'and how many webhooks are active.';

create function sluice.leave_deliverers(node uuid) returns void
language sql security definer
begin atomic
  delete from sluice.deliverers d where d.node = leave_deliverers.node;
end;

comment on function sluice.leave_deliverers is 'Removes a process that stops.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
