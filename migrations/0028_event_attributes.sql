-- Up Migration

-- The attributes of CloudEvents: an event that was published as a CloudEvent keeps them beside its data, so that it can be read as the
-- same CloudEvent again.
--
-- The column is null for every other event. Adding it reads and rewrites no row; for that, the one function that writes the column
-- checks it, instead of a constraint.

alter table sluice.events add column attributes json;
alter table sluice.events alter column attributes set storage external;

comment on column sluice.events.attributes is
  'The attributes of a CloudEvent besides its type, as a JSON object of at most 16 KiB; null if the event was published otherwise.';

create function sluice.forget_attributes() returns trigger
language plpgsql
as $$
begin
  new.attributes := null;
  return new;
end
$$;

comment on function sluice.forget_attributes is
  'Internal. An event that loses its data loses its attributes too: a subject may say as much as the data.';

create trigger forget_attributes
  before update of data on sluice.events
  for each row execute function sluice.forget_attributes();
alter table sluice.events enable always trigger forget_attributes;

create function sluice.append_requests(
  workspaces text[], streams text[], actors text[], keys text[], fingerprints text[],
  request_of int[], types text[], data text[], attributes text[]
)
returns table (
  request int, stream_id bigint, "position" bigint, event_id uuid, at timestamptz, refused text, replayed boolean
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
-- One transaction that keeps its stream locked must not hold up the gateway's publishers to all others.
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  ids bigint[];
begin
  if array(select distinct r from unnest(request_of) r order by r) is distinct from
     array(select generate_series(1, cardinality(workspaces))) then
    raise exception using
      errcode = 'SL002',
      message = 'invalid event: request_of must name each request at least once, and no other';
  end if;
  perform sluice.check_names(r.workspace, r.stream)
  from (select distinct u.workspace, u.stream from unnest(workspaces, streams) as u (workspace, stream)) r;
  perform sluice.check_type(e.type) from (select distinct u.type from unnest(types) as u (type)) e;
  if exists (
    select from unnest(attributes) as u (attributes)
    where octet_length(u.attributes) > 16384 or json_typeof(u.attributes::json) <> 'object'
  ) then
    raise exception using
      errcode = 'SL002', message = 'invalid event: its attributes are no JSON object, or longer than 16384 bytes';
  end if;

  -- Claims the keys. This waits for another transaction that holds one, before any stream is locked. A key that exists is
  -- locked and not written (the WHERE is false), so it cannot expire meanwhile.
  if exists (select from unnest(keys) as u (key) where u.key is not null) then
    insert into sluice.idempotency_keys as k (workspace, actor, key, fingerprint, created_at)
    select distinct on (r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C")
      r.workspace, coalesce(r.actor, ''), r.key, coalesce(r.fingerprint, ''), clock_timestamp()
    from unnest(workspaces, actors, keys, fingerprints) with ordinality as r (workspace, actor, key, fingerprint, request)
    where r.key is not null
    order by r.workspace collate "C", coalesce(r.actor, '') collate "C", r.key collate "C", r.request
    on conflict (workspace, actor, key) do update set key = excluded.key where false;
  end if;

  ids := sluice.lock_streams(workspaces, streams, leaves_out => true);

  begin
    return query
    with
    -- Behind row-level security an index probe must compare plain columns: no COALESCE, no subscript.
    named as materialized (
      select
        r.request, r.workspace, coalesce(r.actor, '') as holder, r.actor, r.key, coalesce(r.fingerprint, '') as fingerprint,
        ids[r.request] as stream_id
      from unnest(workspaces, actors, keys, fingerprints)
        with ordinality as r (workspace, actor, key, fingerprint, request)
    ),
    -- A key without a result was claimed above. The first request that carries it owns it; the others share its outcome.
    asked as materialized (
      select
        r.request::int as request, r.workspace, r.holder, r.actor, r.key, r.stream_id,
        k.stream_id as known_stream_id, k.first_position, k.event_ids, k.at,
        case when r.key is null then r.request
             else min(r.request) over (partition by r.workspace, r.holder, r.key) end as owner,
        case when k.fingerprint <> r.fingerprint then 'idempotency-key-reused'
             when k.event_ids is null and r.stream_id is null then 'too-many-stored-streams'
             when k.event_ids is null and s.closed_at is not null then 'stream-closed' end as refused
      from named r
      left join lateral (
        select s.closed_at from sluice.streams s where s.id = r.stream_id limit 1
      ) s on true
      left join lateral (
        select k.* from sluice.idempotency_keys k
        where k.workspace = r.workspace and k.actor = r.holder and k.key = r.key limit 1
      ) k on true
    ),
    placed as materialized (
      select
        a.request, a.key, a.stream_id, t.at, gen_random_uuid() as event_id, e.type, e.data, e.attributes, a.actor,
        t.position + row_number() over (partition by a.stream_id order by a.request, e.place) as position
      from unnest(request_of, types, data, attributes) with ordinality as e (request, type, data, attributes, place)
      join asked a on a.request = e.request
      join sluice.tails(ids) t on t.stream_id = a.stream_id
      where a.owner = a.request and a.event_ids is null and a.refused is null
    ),
    stored as (
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor, attributes)
      select p.stream_id, p.position, p.at, p.event_id, p.type, p.data::json, p.actor, p.attributes::json from placed p
      order by p.stream_id, p.position
    ),
    remembered as (
      update sluice.idempotency_keys k
      set stream_id = p.stream_id, first_position = p.first_position, event_ids = p.event_ids, at = p.at
      from asked a
      join (
        select p.request, p.stream_id, p.at, min(p.position) as first_position, array_agg(p.event_id order by p.position) as event_ids
        from placed p where p.key is not null group by p.request, p.stream_id, p.at
      ) p on p.request = a.request
      where k.workspace = a.workspace and k.actor = a.holder and k.key = a.key
    ),
    -- A refused request may be tried again with the same key.
    forgotten as (
      delete from sluice.idempotency_keys k
      using asked a
      where a.owner = a.request and a.event_ids is null and a.refused is not null
        and k.workspace = a.workspace and k.actor = a.holder and k.key = a.key
    )
    select a.request, p.stream_id, p.position, p.event_id, p.at, null, a.request <> a.owner
    from asked a join placed p on p.request = a.owner
    where a.refused is null
    union all
    select a.request, a.known_stream_id, a.first_position + known.place - 1, known.event_id, a.at, null, true
    from asked a cross join lateral unnest(a.event_ids) with ordinality as known (event_id, place)
    where a.refused is null
    union all
    select a.request, null, null, null, null, a.refused, false
    from asked a where a.refused is not null
    order by 1, 3;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
end
$$;

comment on function sluice.append_requests(text[], text[], text[], text[], text[], int[], text[], text[], text[]) is
  'The group commit of the gateway, which has validated the requests. The first five arrays have one element per request, the '
  'last four one per event; request_of is the place of the event''s request, and attributes are null except for CloudEvents. Each '
  'request is stored whole or refused (stream-closed, idempotency-key-reused, too-many-stored-streams), and the others are stored '
  'all the same. Sends no NOTIFY.';

create or replace function sluice.append_requests(
  workspaces text[], streams text[], actors text[], keys text[], fingerprints text[],
  request_of int[], types text[], data text[]
)
returns table (
  request int, stream_id bigint, "position" bigint, event_id uuid, at timestamptz, refused text, replayed boolean
)
language plpgsql security definer
set lock_timeout = '2s'
as $$
begin
  return query
  select * from sluice.append_requests(
    workspaces, streams, actors, keys, fingerprints, request_of, types, data, array_fill(null::text, array[cardinality(types)])
  );
end
$$;

comment on function sluice.append_requests(text[], text[], text[], text[], text[], int[], text[], text[]) is
  'The same without attributes, for gateways of the version before.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
