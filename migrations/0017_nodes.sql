-- Up Migration

-- The nodes of the cluster: one row per process that serves this database, renewed by a heartbeat every 2 seconds.
--
--   inserted at the first heartbeat ── a clean stop ──▶ removed by the node itself
--                                   ── no heartbeat for 10 s ──▶ removed by the next heartbeat of any other node
--
-- Invariant: the tables may be emptied at any time. They are unlogged, so a heartbeat writes no WAL and waits for no flush;
-- after a crash, and on a promoted standby, they are empty until the next heartbeats, which restore them. All times are of
-- this server's clock, because the clocks of the nodes may differ.

create unlogged table sluice.nodes (
  id              uuid primary key,
  name            text collate "C" not null,
  version         text collate "C" not null,
  mode            text collate "C" not null,
  started_at      timestamptz not null,
  heartbeat_at    timestamptz not null,
  lag_ms          integer not null,
  clients         integer not null,
  clients_by_kind json not null
-- Leaves room in each page for the next version of a row.
) with (fillfactor = 50);

comment on table sluice.nodes is
  'One row per process of the cluster, with its figures at its last heartbeat. Heartbeats come every 2 seconds; a row without '
  'one for 10 seconds is removed.';
comment on column sluice.nodes.name is 'The host and the process id.';
comment on column sluice.nodes.mode is 'normal, degraded, maintenance or draining.';
comment on column sluice.nodes.lag_ms is 'How long the process has been unable to read the log, in milliseconds; 0 while it can.';
comment on column sluice.nodes.clients is 'Open streams of the process.';
comment on column sluice.nodes.clients_by_kind is 'The same per kind of stream.';

-- The process that answers for a job probes this table by the job's stream. No foreign key leads to the stream: a heartbeat
-- must not fail because a stream was deleted.
create unlogged table sluice.node_streams (
  stream_id bigint not null,
  node_id   uuid not null references sluice.nodes on delete cascade,
  clients   integer not null check (clients > 0),
  primary key (stream_id, node_id)
);

create index node_streams_by_node on sluice.node_streams (node_id);

comment on table sluice.node_streams is
  'The clients of each job''s stream per process, at its last heartbeat. Streams without clients have no row.';

create function sluice.beat(
  node uuid, name text, version text, mode text, uptime_ms bigint, lag_ms integer, clients integer, clients_by_kind json,
  anew boolean, stream_ids bigint[], stream_clients integer[]
)
returns table (known boolean, other_nodes integer, other_clients json, listeners integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  present timestamptz := clock_timestamp();
  was_known boolean;
begin
  update sluice.nodes n
  set mode = mode, heartbeat_at = present, lag_ms = lag_ms, clients = clients, clients_by_kind = clients_by_kind
  where n.id = node;
  was_known := found;
  if not was_known then
    insert into sluice.nodes
    values (node, name, version, mode, present - uptime_ms * interval '1 ms', present, lag_ms, clients, clients_by_kind)
    on conflict do nothing;
  end if;

  if anew then
    delete from sluice.node_streams s where s.node_id = node;
  end if;
  if cardinality(stream_ids) > 0 then
    delete from sluice.node_streams s
    where s.node_id = node and s.stream_id = any (array(
      select t.id from unnest(stream_ids, stream_clients) as t (id, clients) where t.clients = 0
    ));
    insert into sluice.node_streams as s (stream_id, node_id, clients)
    select t.id, node, t.clients from unnest(stream_ids, stream_clients) as t (id, clients) where t.clients > 0
    on conflict on constraint node_streams_pkey do update set clients = excluded.clients;
  end if;

  -- A node that beats at this moment holds the lock of its row, and stays.
  delete from sluice.nodes n where n.id = any (array(
    select o.id from sluice.nodes o where o.heartbeat_at < present - interval '10 seconds' for update skip locked
  ));

  return query
  select was_known,
    (select count(*)::integer from sluice.nodes n where n.id <> node),
    (select coalesce(json_object_agg(k.kind, k.clients), '{}')
     from (
       select c.key as kind, sum(c.value::integer) as clients
       from sluice.nodes n cross join json_each_text(n.clients_by_kind) c
       where n.id <> node group by c.key
     ) k),
    (select count(*)::integer from pg_stat_activity a
     where a.application_name = 'sluice listen' and a.datname = current_database());
end
$$;

comment on function sluice.beat is
  'Internal. The heartbeat of one process: renews its row, stores the clients of the given streams (0 removes the row; anew '
  'first removes all of them), removes the rows of processes that are gone, and returns whether its own row was there, the '
  'number of other processes, their clients per kind of stream, and the number of sessions that listen for wakes.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
