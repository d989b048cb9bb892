-- Up Migration

-- sluice.note_presence looks the stream up that has taken the name of a deleted one, instead of reading all streams of the workspace.

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
    where target.is_open and s.workspace = target.workspace and s.name = substr(target.name, length('presence:') + 1)
      and s.closed_at is null and s.options @> '{"presence": true}'
    on conflict do nothing;
  end if;
  return next;
end
$$;

revoke all on all functions in schema sluice from public;
