-- Up Migration

-- Who publishes presence, and for which stream.
--
-- A process that publishes no presence, such as an engine, is never the first node: else nobody would publish. A stream that takes the
-- name of a deleted one gets its presence when all have left the deleted one. And publishing locks the stream that it publishes on, as
-- its deletion does, before anything that the deletion waits for.

alter table sluice.nodes add column may_be_first boolean;

comment on column sluice.nodes.may_be_first is
  'Whether it does what one node does for all, if its id is the smallest. Null for older versions, which do not.';

create or replace function sluice.heartbeat(node uuid, figures json, anew boolean, stream_ids bigint[], stream_clients integer[])
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

create or replace function sluice.note_presence(stream_id bigint, grace_ms integer, most integer)
returns table (presence_stream bigint, events integer)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  target record;
  is_on boolean;
  clients integer;
  gone text[];
  come text[];
begin
  select p.presence_stream_id as id, s.workspace, s.name, s.closed_at is null as is_open into target
  from sluice.presence p join sluice.streams s on s.id = p.presence_stream_id
  where p.stream_id = note_presence.stream_id for update of p, s skip locked;
  if not found then
    return;
  end if;
  is_on := target.is_open and exists (
    select from sluice.streams s
    where s.id = note_presence.stream_id and s.closed_at is null and s.options @> '{"presence": true}');
  update sluice.present p
  set missing_since = case when p.missing_since is null then present end
  where p.stream_id = note_presence.stream_id and (p.missing_since is null) is distinct from exists (
    select from sluice.node_principals n where n.stream_id = p.stream_id and n.principal = p.principal);
  with left_now as (
    delete from sluice.present p where p.stream_id = note_presence.stream_id and p.principal = any (array(
      select o.principal from sluice.present o
      where o.stream_id = note_presence.stream_id and (not is_on or o.missing_since < present - grace_ms * interval '1 ms')
      order by o.missing_since, o.principal limit most))
    returning p.principal
  )
  select array_agg(l.principal order by l.principal) into gone from left_now l;
  with joined_now as (
    insert into sluice.present (stream_id, principal)
    select note_presence.stream_id, n.principal
    from (select distinct o.principal from sluice.node_principals o where o.stream_id = note_presence.stream_id) n
    where is_on and not exists (
      select from sluice.present p where p.stream_id = note_presence.stream_id and p.principal = n.principal)
    order by n.principal
    -- So many are announced, and no more.
    limit least(most, 10000 - (select count(*) from sluice.present p where p.stream_id = note_presence.stream_id))
    returning principal
  )
  select array_agg(j.principal order by j.principal) into come from joined_now j;
  events := coalesce(cardinality(gone), 0) + coalesce(cardinality(come), 0);
  presence_stream := target.id;
  if events > 0 and target.is_open then
    clients := (
      select coalesce(sum(s.clients), 0) from sluice.node_streams s where s.stream_id = note_presence.stream_id);
    insert into sluice.pending (workspace, stream, type, way, batch, batch_types)
    select target.workspace, target.name, 'presence.left', 'system',
      array_agg(json_build_object('principal', e.principal, 'clients', clients) order by e.place, e.principal),
      array_agg(case e.place when 1 then 'presence.left' else 'presence.joined' end order by e.place, e.principal)
    from (select 1 as place, unnest(gone) as principal union all select 2, unnest(come)) e;
  end if;
  if not is_on and not exists (select from sluice.present p where p.stream_id = note_presence.stream_id) then
    delete from sluice.presence p where p.stream_id = note_presence.stream_id;
    -- Another stream may have taken the name meanwhile.
    insert into sluice.presence
    select s.id, target.id from sluice.streams s
    where target.is_open and s.workspace = target.workspace and 'presence:' || s.name = target.name
      and s.closed_at is null and s.options @> '{"presence": true}'
    on conflict do nothing;
  end if;
  return next;
end
$$;

revoke all on all functions in schema sluice from public;
