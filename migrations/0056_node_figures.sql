-- Up Migration

-- More figures of each node, and the clients of every stream instead of only those of jobs.
--
-- Invariant: sluice.beat, the heartbeat of older versions, keeps working beside sluice.heartbeat. In the rows of older nodes the new
-- columns are null.

alter table sluice.nodes
  add column streams integer,
  add column streams_left_out integer,
  add column bus text collate "C",
  add column bus_kind text collate "C",
  add column memory_state text collate "C",
  add column memory_percent integer,
  add column event_loop_delay_ms integer;

comment on column sluice.nodes.lag_ms is
  'How far the process is behind the log, in milliseconds: how long it has been unable to read it, or a stream has waited to be read.';
comment on column sluice.nodes.streams is 'Streams that have clients in the process.';
comment on column sluice.nodes.streams_left_out is 'Those of them that have no row in sluice.node_streams, because there are too many.';
comment on column sluice.nodes.bus is 'Whether wakes arrive: listening, down or off.';
comment on column sluice.nodes.bus_kind is 'What carries them, such as postgres.';
comment on column sluice.nodes.memory_state is 'ample, tight or low.';
comment on column sluice.nodes.memory_percent is 'How full the memory is, of the nearer limit: the heap or the container.';
comment on column sluice.nodes.event_loop_delay_ms is 'The longest delay of its event loop since the heartbeat before, in milliseconds.';
comment on table sluice.node_streams is
  'The clients of each stream per process, at its last heartbeat. Streams without clients have no row.';

create function sluice.heartbeat(node uuid, figures json, anew boolean, stream_ids bigint[], stream_clients integer[])
returns table (known boolean, is_first boolean, other_nodes integer, other_clients json, listeners integer)
language plpgsql security definer
as $$
declare
  present timestamptz := clock_timestamp();
  f sluice.nodes := json_populate_record(null::sluice.nodes, figures);
begin
  update sluice.nodes n
  set mode = f.mode, heartbeat_at = present, lag_ms = f.lag_ms, clients = f.clients, clients_by_kind = f.clients_by_kind,
    streams = f.streams, streams_left_out = f.streams_left_out, bus = f.bus, bus_kind = f.bus_kind,
    memory_state = f.memory_state, memory_percent = f.memory_percent, event_loop_delay_ms = f.event_loop_delay_ms
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

  -- A node that beats at this moment holds the lock of its row, and stays.
  delete from sluice.nodes n where n.id = any (array(
    select o.id from sluice.nodes o where o.heartbeat_at < present - interval '10 seconds' for update skip locked
  ));

  select count(*), coalesce(bool_and(n.id > heartbeat.node or n.streams is null), true) into other_nodes, is_first
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

comment on function sluice.heartbeat is
  'Internal. The heartbeat of one process: renews its row, stores the clients of the given streams (0 removes the row; anew first '
  'removes all of them), removes the rows of processes that are gone, and returns whether its own row was there, whether its id is the '
  'smallest of those that run this version or a later one, the number of other processes, their clients per kind of stream, and the '
  'number of sessions that listen for wakes, null while there are other processes. figures: columns of sluice.nodes, and uptime_ms.';

create or replace function sluice.beat(
  node uuid, name text, version text, mode text, uptime_ms bigint, lag_ms integer, clients integer, clients_by_kind json,
  anew boolean, stream_ids bigint[], stream_clients integer[]
)
returns table (known boolean, other_nodes integer, other_clients json, listeners integer)
language plpgsql security definer
as $$
begin
  return query
  select h.known, h.other_nodes, h.other_clients, coalesce(h.listeners, 0)
  from sluice.heartbeat(node, json_build_object(
    'name', name, 'version', version, 'mode', mode, 'uptime_ms', uptime_ms, 'lag_ms', lag_ms, 'clients', clients,
    'clients_by_kind', clients_by_kind), anew, stream_ids, stream_clients) h;
end
$$;

comment on function sluice.beat is 'Internal. The heartbeat of versions before sluice.heartbeat.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
