-- Up Migration

-- Times that the clock of the server has written while it was ahead: what a process held that has ended since would stay held until the
-- clock gets there. A lease whose end is further away than twice its length is not free, because its holder may live: a claim shortens it
-- to its length from now. A holder that lives renews it as ever; the lease of one that has ended is free one length later. The clock is
-- read after the lock of the row, because a holder may renew its lease during the wait. Nobody is alive later than now.

create or replace function sluice.claim_consumers(kind text, node uuid, holder text, ids uuid[], at_most integer, lease_ms integer, takeover boolean)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  lease interval := lease_ms * interval '1 millisecond';
  chosen uuid[];
begin
  if ids is null then
    -- One that another process is claiming at this moment is not free.
    chosen := array(
      select o.id from sluice.consumers o
      where o.kind = 'webhook' and o.active and claim_consumers.kind = 'webhook' and o.lease_until < present
      order by o.id limit at_most
      for no key update skip locked
    );
    -- Looks at all webhooks, as the claim just has, since it has found fewer than it asked for.
    if cardinality(chosen) < at_most then
      update sluice.consumers c set lease_until = clock_timestamp() + lease
      where c.lease_until > clock_timestamp() + 2 * lease and c.id = any (array(
        select o.id from sluice.consumers o
        where o.kind = 'webhook' and o.active and claim_consumers.kind = 'webhook' and o.lease_until > present + 2 * lease
        order by o.id
        for no key update skip locked
      ));
    end if;
  else
    -- Waits for acknowledgements that are being written. A claim that came first is seen after the wait.
    chosen := array(
      select o.id from sluice.consumers o
      where o.id = any (ids) and o.kind = claim_consumers.kind and o.active
        and (takeover or o.lease_until < present or o.lease_until > present + 2 * lease)
      order by o.id
      for no key update
    );
    present := clock_timestamp();
    if not takeover then
      -- A process has it for 10 seconds, and a client that reads pages for the timeout of its acknowledgements.
      update sluice.consumers c
      set lease_until = present + greatest(lease_ms, c.ack_timeout_ms, 10000) * interval '1 millisecond'
      where c.id = any (chosen) and c.lease_until > present + 2 * greatest(lease_ms, c.ack_timeout_ms, 10000) * interval '1 millisecond';
      chosen := array(select o.id from sluice.consumers o where o.id = any (chosen) and o.lease_until < present order by o.id);
    end if;
  end if;
  return query
  update sluice.consumers c
  set epoch = c.epoch + 1, fenced_by = 'taken-over', holder = claim_consumers.holder, holder_node = claim_consumers.node,
    held_since = present, lease_until = present + lease, handed_position = null,
    handed_event_id = null, handed_at = null, in_flight = 0
  where c.id = any (chosen)
  returning c.*;
end
$$;

create or replace function sluice.claim_durable_subscription(workspace text, id text, worker text)
returns table(outcome text, uid bigint, generation bigint, wake_id text, holder text, lease_ttl_ms integer)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  d sluice.durable_subscriptions;
  present timestamptz;
begin
  perform sluice.check_workspace(claim_durable_subscription.workspace);
  select o.* into d from sluice.durable_subscriptions o
  where o.workspace = claim_durable_subscription.workspace and o.id = claim_durable_subscription.id for no key update;
  if not found then
    return;
  end if;
  present := clock_timestamp();
  uid := d.uid;
  generation := d.generation;
  lease_ttl_ms := d.lease_ttl_ms;
  if d.type <> 'pull-wake' then
    outcome := 'not-pull-wake';
  elsif d.holder is not null and d.lease_until > present then
    update sluice.durable_subscriptions o
    set lease_until = present + o.lease_ttl_ms * interval '1 ms', due_at = present + o.lease_ttl_ms * interval '1 ms'
    where o.uid = d.uid and o.lease_until > present + 2 * o.lease_ttl_ms * interval '1 ms';
    outcome := 'held';
    holder := d.holder;
  else
    if d.wake_id is null or d.holder is not null then
      -- Idle, or the lease of a holder has ended: a wake of its own, if there is work.
      perform sluice.mark_durable_work(d.uid, null);
      if not exists (select from sluice.durable_subscription_streams l where l.uid = d.uid and l.pending) then
        update sluice.durable_subscriptions o
        set wake_id = null, holder = null, lease_until = null, due_at = null where o.uid = d.uid;
        outcome := 'idle';
        return next;
        return;
      end if;
      d.generation := d.generation + 1;
      d.wake_id := sluice.new_wake_id();
    end if;
    update sluice.durable_subscriptions o
    set generation = d.generation, wake_id = d.wake_id, holder = worker, offers = 0,
      lease_until = present + o.lease_ttl_ms * interval '1 ms', due_at = present + o.lease_ttl_ms * interval '1 ms',
      failures = 0, next_attempt_at = null
    where o.uid = d.uid;
    outcome := 'claimed';
    generation := d.generation;
    wake_id := d.wake_id;
    holder := worker;
  end if;
  return next;
end
$$;

create or replace function sluice.take_durable_wake(with_webhooks boolean)
returns table(uid bigint, workspace text, id text, type text, url text, base_url text, generation bigint, wake_id text, failures integer, lease_ttl_ms integer, wake_stream_id bigint, issued boolean)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  d sluice.durable_subscriptions;
  present timestamptz := clock_timestamp();
  first_path text;
begin
  -- Leases, offers and attempts are at most 10 minutes apart.
  update sluice.durable_subscriptions o
  set lease_until = case when o.lease_until is not null then present + o.lease_ttl_ms * interval '1 ms' end,
    next_attempt_at = least(o.next_attempt_at, present + interval '1 minute'),
    due_at = present + case when o.lease_until is null then 0 else o.lease_ttl_ms end * interval '1 ms'
  where o.uid = any (array(
    select f.uid from sluice.durable_subscriptions f where f.due_at > present + interval '11 minutes' for no key update skip locked
  ));
  select o.* into d from sluice.durable_subscriptions o
  where o.due_at <= present and (with_webhooks or o.type <> 'webhook')
  order by o.due_at limit 1 for no key update skip locked;
  if not found then
    return;
  end if;
  uid := d.uid; workspace := d.workspace; id := d.id; type := d.type; url := d.url; base_url := d.base_url; failures := d.failures;
  lease_ttl_ms := d.lease_ttl_ms; issued := false; generation := d.generation;
  if d.lease_until is not null then
    -- The lease has ended: the holder and the wake are fenced from here on.
    d.wake_id := null;
  end if;
  -- What was deleted, or acknowledged up to its end, is no work.
  update sluice.durable_subscription_streams l set pending = false
  where l.uid = d.uid and l.pending and not exists (
    select from sluice.streams s where s.id = l.stream_id and l.acked < coalesce(
      (select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1), s.base_position));
  first_path := (select l.path from sluice.durable_subscription_streams l where l.uid = d.uid and l.pending order by l.path limit 1);
  if first_path is null then
    update sluice.durable_subscriptions o
    set wake_id = null, holder = null, lease_until = null, offers = 0, due_at = null where o.uid = d.uid;
    return next;
    return;
  end if;
  if d.wake_id is null then
    d.generation := d.generation + 1;
    d.wake_id := sluice.new_wake_id();
    d.offers := 0;
  end if;
  generation := d.generation;
  wake_id := d.wake_id;
  issued := true;
  if d.type = 'webhook' then
    update sluice.durable_subscriptions o
    set generation = d.generation, wake_id = d.wake_id, holder = null,
      lease_until = present + o.lease_ttl_ms * interval '1 ms', due_at = present + o.lease_ttl_ms * interval '1 ms'
    where o.uid = d.uid;
    return next;
    return;
  end if;
  begin
    wake_stream_id := (select s.id from sluice.streams s where s.workspace = d.workspace and s.name = d.wake_stream);
    if wake_stream_id is null then
      raise exception using errcode = 'SL007', message = 'there is no wake stream';
    end if;
    perform sluice.append(d.workspace, d.wake_stream, 'chunk', json_build_object('json', json_build_object(
      'type', 'wake', 'subscription_id', d.id, 'stream', first_path, 'generation', d.generation,
      'ts', floor(extract(epoch from present) * 1000)::bigint)), way => 'system');
    -- A worker may have read it and died before its claim, so it is written again, ever more seldom.
    update sluice.durable_subscriptions o
    set generation = d.generation, wake_id = d.wake_id, holder = null, lease_until = null, offers = d.offers + 1, failures = 0,
      next_attempt_at = null, due_at = present + least(30 * power(2, least(d.offers, 10)), 600) * interval '1 s'
    where o.uid = d.uid;
  exception
    when sqlstate 'SL001' or sqlstate 'SL002' or sqlstate 'SL004' or sqlstate 'SL006' or sqlstate 'SL007' then
      issued := false;
      wake_stream_id := null;
      update sluice.durable_subscriptions o
      set wake_id = null, holder = null, lease_until = null, offers = 0, failures = o.failures + 1,
        next_attempt_at = present + least(power(2, least(o.failures, 6)), 60) * (0.8 + random() * 0.4) * interval '1 s',
        due_at = present + least(power(2, least(o.failures, 6)), 60) * (0.8 + random() * 0.4) * interval '1 s'
      where o.uid = d.uid;
  end;
  return next;
end
$$;

create or replace function sluice.expire_lease()
returns table(job sluice.jobs, streams bigint[])
language plpgsql security definer
set lock_timeout = '100ms'
as $$
declare
  -- A comparison with clock_timestamp() itself would use no index, because it is volatile.
  present timestamptz := clock_timestamp();
  expired uuid;
  its_workspace text;
  stuck text[] := '{}';
begin
  -- Its runner has the time of the longest lease to renew it.
  update sluice.jobs j set lease_expires_at = present + interval '5 minutes'
  where j.id = any (array(
    select f.id from sluice.jobs f
    where f.status = 'running' and f.lease_expires_at > present + interval '10 minutes' for update skip locked
  ));
  for expired, its_workspace in
    select j.id, j.workspace from sluice.jobs j
    where j.status = 'running' and j.lease_expires_at < present
    order by j.lease_expires_at
    for update skip locked
  loop
    continue when its_workspace = any (stuck);
    begin
      update sluice.jobs j
      set status = case when j.attempt < j.max_attempts then 'queued' else 'interrupted' end,
        ended_at = case when j.attempt < j.max_attempts then null else clock_timestamp() end,
        runner = case when j.attempt < j.max_attempts then null else j.runner end,
        claimed_by = case when j.attempt < j.max_attempts then null else j.claimed_by end,
        started_at = case when j.attempt < j.max_attempts then null else j.started_at end,
        lease_expires_at = null
      where j.id = expired
      returning j.* into job;
      streams := sluice.record(job, null, 'lease-expired');
      return next;
      return;
    exception
      -- A feed that another transaction keeps locked, or that is closed, holds up its own workspace only.
      when lock_not_available or sqlstate 'SL001' then stuck := stuck || its_workspace;
    end;
  end loop;
end
$$;

create or replace function sluice.hold_lease(name text, holder uuid, duration_ms integer)
returns boolean
language plpgsql security definer
as $$
#variable_conflict use_variable
declare
  duration interval := duration_ms * interval '1 ms';
  present timestamptz := clock_timestamp();
  held boolean;
begin
  -- The usual case of all processes but one: nothing is locked or written.
  if exists (select from sluice.leases l where l.name = name and l.holder <> holder and l.until > present
      and l.until <= present + 2 * duration) then
    return false;
  end if;
  insert into sluice.leases as l values (name, holder, present + duration)
  on conflict on constraint leases_pkey do update
  set holder = case when l.until > clock_timestamp() then l.holder else excluded.holder end, until = clock_timestamp() + duration
  where l.holder = excluded.holder or l.until <= clock_timestamp() or l.until > clock_timestamp() + 2 * duration
  returning l.holder = holder into held;
  return coalesce(held, false);
end
$$;

create or replace function sluice.heartbeat(node uuid, figures json, anew boolean, stream_ids bigint[], stream_clients integer[])
returns table(known boolean, is_first boolean, other_nodes integer, other_clients json, listeners integer)
language plpgsql security definer
as $$
declare
  present timestamptz := clock_timestamp();
  f sluice.nodes := json_populate_record(null::sluice.nodes, figures);
begin
  update sluice.nodes n
  set mode = f.mode, heartbeat_at = present, lag_ms = f.lag_ms, clients = f.clients, clients_by_kind = f.clients_by_kind,
    streams = f.streams, streams_left_out = f.streams_left_out, bus = f.bus, bus_kind = f.bus_kind,
    memory_state = f.memory_state, memory_percent = f.memory_percent, event_loop_delay_ms = f.event_loop_delay_ms,
    may_be_first = f.may_be_first
  where n.id = heartbeat.node;
  known := found;
  if not known then
    f.id := heartbeat.node;
    f.started_at := present - (figures ->> 'uptime_ms')::bigint * interval '1 ms';
    f.heartbeat_at := present;
    insert into sluice.nodes values (f.*) on conflict do nothing;
  end if;

  if anew then
    delete from sluice.node_streams s where s.node_id = heartbeat.node;
  end if;
  if cardinality(stream_ids) > 0 then
    delete from sluice.node_streams s
    where s.node_id = heartbeat.node and s.stream_id = any (array(
      select t.id from unnest(stream_ids, stream_clients) as t (id, clients) where t.clients = 0
    ));
    insert into sluice.node_streams as s (stream_id, node_id, clients)
    select t.id, heartbeat.node, t.clients from unnest(stream_ids, stream_clients) as t (id, clients) where t.clients > 0
    on conflict on constraint node_streams_pkey do update set clients = excluded.clients;
  end if;

  update sluice.nodes n set heartbeat_at = clock_timestamp()
  where n.heartbeat_at > clock_timestamp() + interval '10 seconds' and n.id = any (array(
    select o.id from sluice.nodes o where o.heartbeat_at > present + interval '10 seconds' for update skip locked
  ));
  -- A node that beats at this moment holds the lock of its row, and stays.
  delete from sluice.nodes n where n.id = any (array(
    select o.id from sluice.nodes o where o.heartbeat_at < present - interval '10 seconds' for update skip locked
  ));

  select count(*), coalesce(f.may_be_first, false) and coalesce(bool_and(n.id > heartbeat.node or n.may_be_first is not true), true)
  into other_nodes, is_first
  from sluice.nodes n where n.id <> heartbeat.node;
  other_clients := (
    select coalesce(json_object_agg(k.kind, k.clients), '{}')
    from (
      select c.key as kind, sum(c.value::integer) as clients
      from sluice.nodes n cross join json_each_text(n.clients_by_kind) c
      where n.id <> heartbeat.node group by c.key
    ) k
  );
  -- Only a node without others asks, and looking at all sessions is what costs most here.
  if other_nodes = 0 then
    listeners := (
      select count(*) from pg_stat_activity a where a.application_name = 'sluice listen' and a.datname = current_database()
    );
  end if;
  return next;
end
$$;

create or replace function sluice.join_deliverers(node uuid, ttl_ms integer, OUT nodes integer, OUT webhooks integer)
returns record
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
  update sluice.deliverers d set alive_at = clock_timestamp()
  where d.alive_at > clock_timestamp() + greatest(ttl, interval '10 seconds') and d.node = any (array(
    select o.node from sluice.deliverers o where o.alive_at > present + greatest(ttl, interval '10 seconds') for update skip locked
  ));
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

create or replace function sluice.take_usage_count(node uuid)
returns boolean
language plpgsql security definer
as $$
declare
  taken boolean;
begin
  insert into sluice.usage_counter as c (node, alive_at) values (take_usage_count.node, clock_timestamp())
  on conflict (one) do update
  set node = case when c.alive_at > clock_timestamp() then c.node else excluded.node end, alive_at = clock_timestamp()
  where c.node = excluded.node or c.alive_at not between clock_timestamp() - interval '1 minute' and clock_timestamp() + interval '1 minute'
  returning c.node = take_usage_count.node into taken;
  return coalesce(taken, false);
end
$$;
