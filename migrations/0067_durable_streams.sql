-- Up Migration

-- Durable Streams: what the protocol knows of a stream besides its events, which are in the log as all others
-- (src/durable-streams/).
--
-- Invariant: an append, the place of its producer and the closing of the stream are one transaction, and the requests of one stream
-- are decided one after the other, under the lock of its row in sluice.streams. So a producer that repeats a request whose answer
-- was lost stores nothing twice.
--
-- Locks are taken in this order: rows of sluice.streams, then rows of sluice.durable_streams.

create table sluice.durable_streams (
  workspace text collate "C" not null check (sluice.is_workspace(workspace)),
  name text collate "C" not null check (sluice.is_stream(name)),
  stream_id bigint unique,
  content_type text not null check (octet_length(content_type) <= 1024),
  ttl text check (ttl ~ '^(0|[1-9][0-9]{0,15})$'),
  expires text check (octet_length(expires) <= 64),
  expires_at timestamptz,
  last_seq text collate "C" check (octet_length(last_seq) <= 1024),
  closed_by text collate "C",
  closed_epoch bigint,
  closed_seq bigint,
  producers integer not null default 0,
  forked_from text collate "C",
  fork_offset bigint,
  fork_sub_offset bigint not null default 0,
  deleted_at timestamptz,
  primary key (workspace, name),
  check ((stream_id is null) = (deleted_at is not null)),
  check (ttl is null or expires is null)
);

create index durable_streams_forks on sluice.durable_streams (workspace, forked_from) where forked_from is not null;
create index durable_streams_due on sluice.durable_streams (expires_at) where expires_at is not null and stream_id is not null;
select sluice.guard('sluice.durable_streams');

comment on table sluice.durable_streams is
  'The streams that the Durable Streams protocol has made, and the names of deleted ones of which forks live.';
comment on column sluice.durable_streams.stream_id is 'Null: it was deleted, and forks of it live.';
comment on column sluice.durable_streams.ttl is 'Seconds, as the client sent them.';
comment on column sluice.durable_streams.expires is 'The absolute expiry, as the client sent it.';
comment on column sluice.durable_streams.expires_at is
  'When it expires unless it is used; null: never. Moved by a use at most once in a tenth of its TTL, so it is up to a tenth later '
  'than the TTL after the last use, and never earlier.';
comment on column sluice.durable_streams.last_seq is 'The Stream-Seq of the last request that had one.';
comment on column sluice.durable_streams.closed_by is 'The producer whose request closed it, with its epoch and sequence number.';
comment on column sluice.durable_streams.producers is 'How many rows of sluice.durable_producers it has.';
comment on column sluice.durable_streams.fork_offset is 'As the client sent it; null: the head of the source then.';

create table sluice.durable_producers (
  stream_id bigint not null,
  producer text collate "C" not null check (octet_length(producer) between 1 and 1024),
  epoch bigint not null check (epoch >= 0),
  seq bigint not null check (seq >= 0),
  used_at timestamptz not null,
  primary key (stream_id, producer)
-- Leaves room in each page for the next version of a row.
) with (fillfactor = 50);

select sluice.guard('sluice.durable_producers', '(select s.id from sluice.streams s where s.id = stream_id) is not null');

comment on table sluice.durable_producers is
  'The last request of each producer of a stream, by which a repeated one is recognised.';

-- Expiry. -------------------------------------------------------------------------------------------------------------

create function sluice.expiry_of(ttl text) returns timestamptz
language plpgsql
as $$
begin
  -- A tenth more, because a use within a tenth of the last one is not written. At most a hundred years.
  return clock_timestamp() + least(ttl::bigint, 3155760000) * interval '1.1 s';
end
$$;

comment on function sluice.expiry_of is 'Internal. When a stream with this TTL expires that is used now.';

create function sluice.touch_durable(workspace text, stream text) returns void
language plpgsql security definer
as $$
begin
  perform sluice.check_workspace(workspace);
  update sluice.durable_streams d set expires_at = sluice.expiry_of(d.ttl)
  where d.workspace = touch_durable.workspace and d.name = touch_durable.stream and d.ttl is not null
    and d.expires_at > clock_timestamp()
    and d.expires_at <= clock_timestamp() + least(d.ttl::bigint, 3155760000) * interval '1 s';
end
$$;

comment on function sluice.touch_durable is
  'Internal. Notes that the stream was used, at most once in a tenth of its TTL. An expired stream stays expired.';

create function sluice.touch_followed(ids bigint[]) returns void
language plpgsql security definer
as $$
begin
  update sluice.durable_streams d set expires_at = sluice.expiry_of(d.ttl)
  where d.stream_id = any (array(
    select o.stream_id from sluice.durable_streams o
    where o.stream_id = any (ids) and o.ttl is not null and o.expires_at > clock_timestamp()
      and o.expires_at <= clock_timestamp() + least(o.ttl::bigint, 3155760000) * interval '1 s'
    order by o.stream_id for no key update skip locked
  ));
end
$$;

comment on function sluice.touch_followed is 'Internal. The same for the streams that the clients of a process follow.';

create function sluice.expire_durable(at_most integer) returns bigint[]
language plpgsql security definer
as $$
declare
  -- A comparison with a volatile function uses no index.
  present timestamptz := clock_timestamp();
  target sluice.streams;
  removed bigint[] := '{}';
begin
  for target in
    select s.* from sluice.streams s
    where s.id = any (array(
      select d.stream_id from sluice.durable_streams d
      where d.expires_at <= present and d.stream_id is not null order by d.expires_at limit at_most
    ))
    order by s.id for update skip locked
  loop
    -- It may have been used since.
    if exists (
      select from sluice.durable_streams d where d.stream_id = target.id and d.expires_at <= present
    ) then
      perform sluice.drop_stream(target);
      removed := removed || target.id;
    end if;
  end loop;
  return removed;
end
$$;

comment on function sluice.expire_durable is
  'Internal. Deletes at most so many streams that have expired, and returns their numbers.';

-- Deletion. -----------------------------------------------------------------------------------------------------------

create function sluice.end_durable() returns trigger
language plpgsql security definer
as $$
declare
  target record;
  parent text;
  grandparent text;
begin
  delete from sluice.durable_producers p where p.stream_id = any (array(select g.id from gone g));
  for target in select g.id, g.workspace, g.name from gone g where g.workspace <> '$system' order by g.id loop
    -- Waits for a transaction that deletes a fork now: it does not see yet that the source is deleted, so nobody else would remove
    -- the name.
    perform from sluice.durable_streams f
    where f.workspace = target.workspace and f.forked_from = target.name limit 1 for key share;
    if found then
      insert into sluice.durable_streams as d (workspace, name, content_type, deleted_at)
      values (target.workspace, target.name, 'application/json', clock_timestamp())
      on conflict (workspace, name) do update
      set stream_id = null, deleted_at = clock_timestamp(), expires_at = null, closed_by = null, last_seq = null, producers = 0;
      continue;
    end if;
    delete from sluice.durable_streams d
    where d.workspace = target.workspace and d.name = target.name returning d.forked_from into parent;
    -- The deleted source of its last fork goes with it, and so on.
    while parent is not null loop
      -- A transaction that deletes another fork of it at the same time waits here, and then sees that this one is gone.
      select d.forked_from into grandparent from sluice.durable_streams d
      where d.workspace = target.workspace and d.name = parent and d.stream_id is null for update;
      exit when not found or exists (
        select from sluice.durable_streams f where f.workspace = target.workspace and f.forked_from = parent
      );
      delete from sluice.durable_streams d where d.workspace = target.workspace and d.name = parent;
      parent := grandparent;
    end loop;
  end loop;
  return null;
end
$$;

comment on function sluice.end_durable is
  'Internal. Removes what the protocol knows of deleted streams, but for the names of those of which forks live.';

create trigger end_durable after delete on sluice.streams
  referencing old table as gone for each statement execute function sluice.end_durable();

create function sluice.remove_durable(workspace text, stream text)
returns table (outcome text, stream_id bigint)
language plpgsql security definer
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  target sluice.streams;
  known sluice.durable_streams;
begin
  target := sluice.lock_administered(remove_durable.workspace, remove_durable.stream);
  select d.* into known from sluice.durable_streams d
  where d.workspace = remove_durable.workspace and d.name = remove_durable.stream;
  if target.id is null then
    return query select case when known.name is null then 'not-found' else 'gone' end, null::bigint;
    return;
  end if;
  perform sluice.drop_stream(target);
  return query select case when known.expires_at <= clock_timestamp() then 'not-found' else 'removed' end, target.id;
end
$$;

comment on function sluice.remove_durable is
  'Internal. Deletes a stream with its events; an expired one counts as not found. SL006: it has another owner.';

-- Creation. -----------------------------------------------------------------------------------------------------------

create function sluice.create_durable(
  workspace text, stream text, content_type text, ttl text, expires text, expires_at timestamptz, closed boolean,
  source_id bigint, copy_to bigint, forked_from text, fork_offset bigint, fork_sub_offset bigint,
  data text[], actor text, traceparent text
)
returns table (stream_id bigint, "position" bigint, event_id uuid, at timestamptz)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  id bigint;
begin
  perform sluice.check_names(create_durable.workspace, create_durable.stream);
  if sluice.stream_room(create_durable.workspace) = 0 then
    perform sluice.refuse_streams(create_durable.workspace);
  end if;
  insert into sluice.streams as s (workspace, name, base_position, base_at, oldest_at, closed_at)
  select create_durable.workspace, create_durable.stream, coalesce(o.base_position, 0), o.base_at,
    coalesce(o.oldest_at, clock_timestamp()), case when create_durable.closed then clock_timestamp() end
  from (select) one left join sluice.streams o on o.id = create_durable.source_id
  on conflict (workspace, name) do nothing
  returning s.id into id;
  -- Another transaction was first.
  if id is null then
    return;
  end if;
  insert into sluice.durable_streams (
    workspace, name, stream_id, content_type, ttl, expires, expires_at, forked_from, fork_offset, fork_sub_offset
  )
  values (
    create_durable.workspace, create_durable.stream, id, create_durable.content_type, create_durable.ttl,
    create_durable.expires, coalesce(create_durable.expires_at, sluice.expiry_of(create_durable.ttl)),
    create_durable.forked_from, create_durable.fork_offset, coalesce(create_durable.fork_sub_offset, 0)
  );
  if source_id is not null then
    insert into sluice.events (
      stream_id, position, at, event_id, type, data, actor, attributes, redacted_at, way, traceparent, outdated_paths
    )
    select id, e.position, e.at, gen_random_uuid(), e.type, e.data, e.actor, e.attributes, e.redacted_at, e.way, e.traceparent,
      e.outdated_paths
    from sluice.events e where e.stream_id = source_id and e.position <= copy_to
    order by e.position;
  end if;
  return query
  select e.stream_id, e.position, e.event_id, e.at
  from sluice.append_locked(
    array(select id from unnest(data)), array(select 'chunk' from unnest(data)), data::json[],
    array(select create_durable.actor from unnest(data)), 'http', sluice.checked_traceparent(create_durable.traceparent)
  ) e;
  if not found then
    return query select id, null::bigint, null::uuid, null::timestamptz;
  end if;
end
$$;

comment on function sluice.create_durable is
  'Internal. Creates a stream with the copies of the events of a source up to a position, and then its own first events, which it '
  'returns; one row without a position if there are none. No row: the name was taken meanwhile. SL004: too many streams.';

create function sluice.lock_source(workspace text, stream text) returns bigint
language plpgsql security definer
set lock_timeout = '2s'
as $$
declare
  id bigint;
begin
  perform sluice.check_workspace(workspace);
  -- Neither deletion nor retention can remove its events until the fork is committed. Appends go on.
  select s.id into id from sluice.streams s
  where s.workspace = lock_source.workspace and s.name = lock_source.stream
  for key share;
  return id;
end
$$;

comment on function sluice.lock_source is 'Internal. Keeps a stream from being deleted while a fork copies it, and returns its number.';

-- Appending. ----------------------------------------------------------------------------------------------------------

create function sluice.append_durable(
  workspaces text[], streams text[], actors text[], media_types text[], seqs text[], closes boolean[],
  producer_ids text[], epochs bigint[], producer_seqs bigint[], counts integer[], traceparents text[],
  request_of integer[], data text[]
)
returns table (
  request integer, outcome text, stream_id bigint, tail bigint, closed boolean, epoch bigint, seq bigint, content_type text,
  previous uuid, event_ids uuid[], at timestamptz
)
language plpgsql security definer
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  most_producers constant integer := 10000;
  size constant integer := cardinality(workspaces);
  locked bigint[];
  -- Of each request: the place of its stream and of its producer in the arrays below.
  slots integer[];
  places integer[];
  -- Of each stream.
  ids bigint[];
  gone boolean[];
  native boolean[];
  heads bigint[];
  closed_ones boolean[];
  types text[];
  last_seqs text[];
  closers text[];
  closing_epochs bigint[];
  closing_seqs bigint[];
  known_producers integer[];
  grown boolean[];
  -- Of each producer of a stream.
  known_epochs bigint[];
  known_seqs bigint[];
  moved boolean[];
  -- Of each request.
  outcomes text[] := array_fill(null::text, array[size]);
  tails bigint[] := array_fill(null::bigint, array[size]);
  are_closed boolean[] := array_fill(null::boolean, array[size]);
  at_epochs bigint[] := array_fill(null::bigint, array[size]);
  at_seqs bigint[] := array_fill(null::bigint, array[size]);
  firsts bigint[] := array_fill(null::bigint, array[size]);
  s integer;
  p integer;
  r integer;
  decided text;
begin
  perform sluice.check_names(u.workspace, u.stream)
  from (select distinct n.workspace, n.stream from unnest(workspaces, streams) as n (workspace, stream)) u;

  select array_agg(k.slot order by k.request), array_agg(k.place order by k.request) into slots, places
  from (
    select n.request, dense_rank() over (order by n.workspace collate "C", n.stream collate "C") as slot,
      case when n.producer is not null then dense_rank() over (
        -- Requests without a producer come last, so that the places of the others have no gap.
        order by n.producer is null, n.workspace collate "C", n.stream collate "C", n.producer collate "C") end as place
    from unnest(workspaces, streams, producer_ids) with ordinality as n (workspace, stream, producer, request)
  ) k;

  -- The scalar subquery is a probe of the unique index.
  locked := array(select t.id from sluice.streams t where t.id = any (array(
    select (select s.id from sluice.streams s where s.workspace = w.workspace and s.name = w.stream)
    from unnest(workspaces, streams) as w (workspace, stream)
  )) order by t.id for no key update);

  -- In new statements, which see what the previous holders of the locks have committed.
  select array_agg(f.id order by f.slot), array_agg(f.gone order by f.slot), array_agg(f.native order by f.slot),
    array_agg(f.head order by f.slot),
    array_agg(f.closed order by f.slot), array_agg(f.media_type order by f.slot), array_agg(f.last_seq order by f.slot),
    array_agg(f.closed_by order by f.slot), array_agg(f.closed_epoch order by f.slot), array_agg(f.closed_seq order by f.slot),
    array_agg(f.producers order by f.slot), array_agg(false order by f.slot)
  into ids, gone, native, heads, closed_ones, types, last_seqs, closers, closing_epochs, closing_seqs, known_producers, grown
  from (
    select w.slot, case when d.expires_at <= clock_timestamp() then null else t.id end as id,
      d.name is not null and d.stream_id is null as gone, d.name is null as native, coalesce(e.position, t.base_position) as head,
      t.closed_at is not null as closed, lower(trim(split_part(coalesce(d.content_type, 'application/json'), ';', 1))) as media_type,
      d.last_seq, d.closed_by, d.closed_epoch, d.closed_seq, coalesce(d.producers, 0) as producers
    from (
      select distinct on (n.slot) n.slot, n.workspace, n.stream
      from unnest(slots, workspaces, streams) as n (slot, workspace, stream) order by n.slot
    ) w
    left join lateral (
      -- One that was made since then is not locked: for these requests there is none.
      select t.* from sluice.streams t where t.workspace = w.workspace and t.name = w.stream and t.id = any (locked) limit 1
    ) t on true
    left join lateral (
      select d.* from sluice.durable_streams d where d.workspace = w.workspace and d.name = w.stream limit 1
    ) d on true
    left join lateral (
      select e.position from sluice.events e where e.stream_id = t.id order by e.position desc limit 1
    ) e on true
  ) f;

  select array_agg(f.epoch order by f.place), array_agg(f.seq order by f.place),
    array_agg(false order by f.place)
  into known_epochs, known_seqs, moved
  from (
    select n.place, k.epoch, k.seq
    from (
      select distinct on (m.place) m.place, ids[m.slot] as stream_id, m.producer
      from unnest(places, slots, producer_ids) as m (place, slot, producer) where m.place is not null order by m.place
    ) n
    left join lateral (
      select p.epoch, p.seq from sluice.durable_producers p where p.stream_id = n.stream_id and p.producer = n.producer limit 1
    ) k on true
  ) f;

  for r in 1 .. size loop
    s := slots[r];
    p := places[r];
    decided := null;
    if ids[s] is null then
      outcomes[r] := case when gone[s] then 'gone' else 'not-found' end;
      continue;
    end if;
    if closed_ones[s] then
      if p is not null and closers[s] = producer_ids[r] and closing_epochs[s] = epochs[r] and closing_seqs[s] = producer_seqs[r] then
        decided := 'duplicate';
        at_epochs[r] := epochs[r];
        at_seqs[r] := producer_seqs[r];
      elsif counts[r] = 0 and p is null and closes[r] then
        decided := 'stored';
      else
        decided := 'closed';
      end if;
    elsif counts[r] > 0 and media_types[r] <> types[s] then
      decided := 'content-type-differs';
    else
      if p is not null then
        if known_epochs[p] is null then
          if producer_seqs[r] <> 0 then
            decided := 'producer-gap';
            at_seqs[r] := 0;
          elsif known_producers[s] >= most_producers then
            known_producers[s] := sluice.forget_producers(ids[s], 1000);
            if known_producers[s] >= most_producers then
              decided := 'too-many-producers';
            end if;
          end if;
        elsif epochs[r] < known_epochs[p] then
          decided := 'stale-epoch';
          at_epochs[r] := known_epochs[p];
        elsif epochs[r] > known_epochs[p] then
          if producer_seqs[r] <> 0 then
            decided := 'epoch-not-at-start';
          end if;
        elsif producer_seqs[r] <= known_seqs[p] then
          decided := 'duplicate';
          at_epochs[r] := known_epochs[p];
          at_seqs[r] := known_seqs[p];
        elsif producer_seqs[r] > known_seqs[p] + 1 then
          decided := 'producer-gap';
          at_seqs[r] := known_seqs[p] + 1;
        end if;
      end if;
      if decided is null and seqs[r] collate "C" <= last_seqs[s] then
        decided := 'seq-not-greater';
      end if;
      if decided is null then
        decided := 'stored';
        grown[s] := true;
        firsts[r] := heads[s];
        heads[s] := heads[s] + counts[r];
        last_seqs[s] := coalesce(seqs[r], last_seqs[s]);
        if p is not null then
          if known_epochs[p] is null then
            known_producers[s] := known_producers[s] + 1;
          end if;
          known_epochs[p] := epochs[r];
          known_seqs[p] := producer_seqs[r];
          moved[p] := true;
          at_epochs[r] := epochs[r];
          at_seqs[r] := producer_seqs[r];
        end if;
        if closes[r] then
          closed_ones[s] := true;
          closers[s] := producer_ids[r];
          closing_epochs[s] := epochs[r];
          closing_seqs[s] := producer_seqs[r];
        end if;
      end if;
    end if;
    outcomes[r] := decided;
    tails[r] := heads[s];
    are_closed[r] := closed_ones[s];
  end loop;

  update sluice.streams t set closed_at = clock_timestamp()
  from unnest(ids, closed_ones, grown) as n (id, closed, grown)
  where t.id = n.id and n.closed and n.grown and t.closed_at is null;

  if true = any (moved) then
    insert into sluice.durable_producers as d (stream_id, producer, epoch, seq, used_at)
    select distinct on (n.place) ids[n.slot], n.producer, known_epochs[n.place], known_seqs[n.place], clock_timestamp()
    from unnest(places, slots, producer_ids) as n (place, slot, producer)
    where n.place is not null and moved[n.place]
    order by n.place
    on conflict (stream_id, producer) do update
    set epoch = excluded.epoch, seq = excluded.seq, used_at = excluded.used_at;
  end if;

  -- A stream that was published to, before the protocol was used on it.
  if true = any (native) then
    insert into sluice.durable_streams (workspace, name, stream_id, content_type)
    select distinct on (n.slot) n.workspace, n.stream, ids[n.slot], 'application/json'
    from unnest(slots, workspaces, streams, seqs, producer_ids) as n (slot, workspace, stream, seq, producer)
    where native[n.slot] and grown[n.slot] and (n.seq is not null or n.producer is not null)
    order by n.slot;
  end if;

  -- Writes a row only if it has changed, or was not used for a tenth of its TTL.
  update sluice.durable_streams d
  set last_seq = n.last_seq, closed_by = n.closed_by, closed_epoch = n.closed_epoch, closed_seq = n.closed_seq,
    producers = n.producers,
    expires_at = case when d.ttl is not null then sluice.expiry_of(d.ttl) else d.expires_at end
  from unnest(ids, last_seqs, closers, closing_epochs, closing_seqs, known_producers, grown)
    as n (id, last_seq, closed_by, closed_epoch, closed_seq, producers, grown)
  where d.stream_id = n.id and n.grown and (
    d.last_seq is distinct from n.last_seq or d.producers <> n.producers
    or d.closed_by is distinct from n.closed_by
    or d.expires_at <= clock_timestamp() + least(d.ttl::bigint, 3155760000) * interval '1 s'
  );

  begin
    return query
    with
    asked as materialized (
      select n.request::integer as request, n.outcome, ids[n.slot] as stream_id, n.tail, n.closed, n.epoch, n.seq,
        types[n.slot] as media_type, n.first, n.actor, n.traceparent
      from unnest(outcomes, slots, tails, are_closed, at_epochs, at_seqs, firsts, actors, traceparents)
        with ordinality as n (outcome, slot, tail, closed, epoch, seq, first, actor, traceparent, request)
    ),
    times as materialized (
      select t.stream_id, t.at from sluice.tails(array(select distinct a.stream_id from asked a where a.first is not null)) t
    ),
    placed as materialized (
      select a.request, a.stream_id, t.at, gen_random_uuid() as event_id, e.data, a.actor,
        sluice.checked_traceparent(a.traceparent) as traceparent,
        a.first + row_number() over (partition by a.request order by e.place) as position
      from unnest(request_of, data) with ordinality as e (request, data, place)
      join asked a on a.request = e.request
      join times t on t.stream_id = a.stream_id
      where a.first is not null
    ),
    stored as (
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor, way, traceparent)
      select p.stream_id, p.position, p.at, p.event_id, 'chunk', p.data::json, p.actor, 'http', p.traceparent
      from placed p order by p.stream_id, p.position
    )
    select a.request, a.outcome, case when a.first is not null then a.stream_id end, a.tail, a.closed, a.epoch, a.seq,
      case when a.outcome = 'content-type-differs' then a.media_type end,
      case when a.first is not null then sluice.event_before(a.stream_id, a.first + 1) end, p.event_ids, p.at
    from asked a
    left join (
      select p.request, array_agg(p.event_id order by p.position) as event_ids, min(p.at) as at from placed p group by p.request
    ) p on p.request = a.request
    order by 1;
  exception
    when unique_violation then perform sluice.refuse_snapshot();
  end;
end
$$;

comment on function sluice.append_durable is
  'The group commit of the gateway for Durable Streams. Each request is stored whole, or nothing of it. The arrays but the last two '
  'have one element per request; counts is its number of events, and request_of the place of each event''s request. stream_id is null '
  'unless the request has changed the stream; tail is the position of the last event then, and seq the number that is expected of a '
  'producer after a gap. Sends no NOTIFY.';

create function sluice.forget_producers(stream_id bigint, at_most integer) returns integer
language plpgsql
as $$
begin
  delete from sluice.durable_producers p
  where p.stream_id = forget_producers.stream_id and p.producer = any (array(
    select o.producer from sluice.durable_producers o
    where o.stream_id = forget_producers.stream_id and o.used_at < clock_timestamp() - interval '7 days'
    order by o.used_at limit at_most
  ));
  return (select count(*) from sluice.durable_producers p where p.stream_id = forget_producers.stream_id);
end
$$;

comment on function sluice.forget_producers is
  'Internal. Removes the oldest producers of a stream that have not been active for 7 days, and returns how many are left.';

-- Retention and rights. ----------------------------------------------------------------------------------------------

-- A stream of the protocol stays until it is deleted or expires, however long it is empty.
create or replace function sluice.retain_locked(id bigint, cutoff timestamptz, at_most bigint) returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
  -- Two days: gateways note once an hour which streams their clients follow.
  unused_before timestamptz := clock_timestamp() - interval '48 hours';
  -- When to look at the stream again while it has no events.
  later timestamptz;
  kept record;
  base bigint;
  stays bigint;
  last_position bigint;
  last_id uuid;
  last_at timestamptz;
  oldest timestamptz;
  removed bigint := 0;
begin
  select s.base_position into base from sluice.streams s where s.id = retain_locked.id;
  select * into kept from sluice.kept_by_options(retain_locked.id, cutoff);
  later := least(clock_timestamp(), kept.cutoff + interval '48 hours');
  select min(e.position) into stays
  from (
    select e.position, e.at from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base
    order by e.position limit at_most
  ) e
  where not (coalesce(e.at < kept.cutoff, false) or coalesce(e.position <= kept.up_to, false));
  stays := coalesce(stays, base + at_most + 1);
  select e.position, e.event_id, e.at into last_position, last_id, last_at
  from sluice.events e
  where e.stream_id = retain_locked.id and e.position > base and e.position < stays
  order by e.position desc limit 1;
  if found then
    delete from sluice.events e
    where e.stream_id = retain_locked.id and e.position > base and e.position <= last_position;
    get diagnostics removed = row_count;
    base := last_position;
  end if;
  select e.at into oldest from sluice.events e
  where e.stream_id = retain_locked.id and e.position > base order by e.position limit 1;

  if removed = 0 and oldest is null then
    -- No append can be running: it would need the lock that is held here, and afterwards it sees that the stream is gone.
    delete from sluice.streams s
    where s.id = retain_locked.id and s.kind = 'feed' and s.workspace <> '$system' and s.closed_at is null
      and s.options is null and s.used_at < unused_before
      and (select d.name from sluice.durable_streams d where d.stream_id = s.id) is null;
    if found then
      return 0;
    end if;
  end if;
  update sluice.streams s
  set base_position = coalesce(last_position, s.base_position), base_event_id = coalesce(last_id, s.base_event_id),
    base_at = coalesce(last_at, s.base_at), oldest_at = coalesce(oldest, later), own_retention = kept.own,
    look_at = case
      -- A full batch: events that are due may be left.
      when removed >= at_most then '-infinity'
      -- At least once a day, because an option of its workspace may concern it from now on.
      when s.own_age then least(
        kept.look_at, coalesce(oldest, later) + (clock_timestamp() - kept.cutoff), clock_timestamp() + interval '24 hours'
      )
      else coalesce(kept.look_at, '-infinity')
    end,
    used_at = case when removed > 0 then clock_timestamp() else s.used_at end
  where s.id = retain_locked.id;
  return removed;
end
$$;

create or replace function sluice.retain_together(ids bigint[], cutoff timestamptz, at_most bigint, out removed bigint, out rest bigint[])
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  unused_before timestamptz := clock_timestamp() - interval '48 hours';
  later timestamptz := least(clock_timestamp(), cutoff + interval '48 hours');
begin
  with stream as materialized (
    select s.id, s.base_position as base, s.base_position + at_most + 1 as beyond,
      w.options is not null or s.options ?| array['max_age_seconds', 'max_events'] as own,
      s.kind = 'feed' and s.workspace <> '$system' and s.closed_at is null and s.options is null
        and s.used_at < unused_before
        and (select d.name from sluice.durable_streams d where d.stream_id = s.id) is null as unused
    from sluice.streams s
    left join lateral (
      select w.options from sluice.workspaces w
      where w.workspace = s.workspace and w.options ?| array['max_age_seconds', 'max_events'] limit 1
    ) w on s.kind = 'feed'
    where s.id = any (ids)
  ),
  bound as materialized (
    select s.id, s.base, s.unused, coalesce(y.position, s.beyond) as stays
    from stream s
    cross join lateral (
      select min(e.position) as position
      from (
        select e.position, e.at from sluice.events e
        where e.stream_id = s.id and e.position > s.base order by e.position limit at_most
      ) e
      where e.at >= cutoff
    ) y
    where s.own is not true
  ),
  ended as materialized (
    select b.id, b.base, b.unused, l.position, l.event_id, l.at, coalesce(l.position, b.base) as new_base
    from bound b
    left join lateral (
      select e.position, e.event_id, e.at from sluice.events e
      where e.stream_id = b.id and e.position > b.base and e.position < b.stays order by e.position desc limit 1
    ) l on true
  ),
  due as materialized (
    select d.*, o.at as oldest, d.unused and d.position is null and o.at is null as is_over
    from ended d
    left join lateral (
      select e.at from sluice.events e
      where e.stream_id = d.id and e.position > d.new_base order by e.position limit 1
    ) o on true
  ),
  gone as (
    delete from sluice.events e using due d
    where e.stream_id = d.id and e.position > d.base and e.position <= d.new_base
    returning 1
  ),
  -- No append can be running: it would need the locks that are held here, and afterwards it sees that the stream is gone.
  emptied as (
    delete from sluice.streams s using due d where s.id = d.id and d.is_over
  ),
  moved as (
    update sluice.streams s
    set base_position = d.new_base, base_event_id = coalesce(d.event_id, s.base_event_id), base_at = coalesce(d.at, s.base_at),
      oldest_at = coalesce(d.oldest, later), look_at = '-infinity',
      used_at = case when d.position is null then s.used_at else clock_timestamp() end
    from due d where s.id = d.id and not d.is_over
  )
  select
    (select count(*) from gone),
    array(select s.id from stream s where s.own) || array(select d.id from due d where d.oldest < cutoff)
  into removed, rest;
end
$$;

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
      when c.relname in ('streams', 'events', 'jobs', 'workspaces', 'deleted_streams', 'compactions', 'latest', 'consumers', 'webhooks',
        'webhook_secrets', 'webhook_attempts', 'webhook_waiting', 'webhook_dead_letters', 'webhook_replays',
        'durable_streams', 'durable_producers') then 'select'
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
        'configure_workspace', 'close_stream', 'delete_stream', 'reads_job', 'create_consumer', 'change_consumer',
        'fence_consumer', 'seek_consumer', 'delete_consumer', 'create_webhook', 'lock_webhook', 'change_webhook', 'store_webhook_secret',
        'set_webhook_state', 'start_webhook_replay', 'stop_webhook_replay', 'retry_webhook_delivery', 'retry_dead_letters',
        'touch_durable', 'remove_durable', 'create_durable', 'lock_source')
      -- These take the number of any stream.
      and p.oid <> 'sluice.close_stream(bigint)'::regprocedure
      and not has_function_privilege('sluice_request', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to sluice_request', target.name);
  end loop;
end
$$;


revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
