-- Up Migration

-- Subscriptions of the Durable Streams protocol (§6, §7): durable cursors on streams, which wake a worker when one of them grows.
--
--   idle ── work is pending ──▶ woken ── claim (pull-wake) ──▶ held ──┐
--    ▲                            └─ lease ends, failure ──▶ idle     │
--    └────────────── done, release, or the lease ends ────────────────┘
--
-- Invariants. The generation never goes back, and each wake has one of its own: the worker of an older one is fenced, because every
-- change looks at generation and wake under the lock of the subscription's row. A link is marked pending if its stream has more events
-- than were acknowledged, as soon as somebody has looked; so work is found by an index, and not by reading the heads of all streams.
-- A subscription with work has a time at which somebody has to look at it (due_at).
--
-- Locks are taken in this order: rows of durable_subscriptions, then of durable_subscription_streams, then of streams.

create table sluice.durable_subscriptions (
  uid             bigint           not null generated always as identity primary key,
  workspace       text collate "C" not null check (sluice.is_workspace(workspace)),
  id              text collate "C" not null check (id ~ '^[A-Za-z0-9._~-]{1,128}$'),
  type            text collate "C" not null check (type in ('webhook', 'pull-wake')),
  pattern         text collate "C" check (octet_length(pattern) between 1 and 256),
  prefix          text collate "C" check ((prefix is null) = (pattern is null)),
  expression      text collate "C" check ((expression is null) = (pattern is null)),
  config_hash     text collate "C" not null,
  url             text check ((url is null) = (type <> 'webhook') and char_length(url) <= 2048),
  url_host        text check ((url_host is null) = (url is null)),
  wake_stream     text collate "C" check ((wake_stream is null) = (type <> 'pull-wake')),
  base_url        text             not null check (char_length(base_url) <= 2048),
  lease_ttl_ms    integer          not null check (lease_ttl_ms between 1000 and 600000),
  description     text check (char_length(description) <= 1000),
  created_at      timestamptz      not null default clock_timestamp(),
  created_by      text             not null,
  backfilled      boolean          not null default false,
  generation      bigint           not null default 0,
  wake_id         text collate "C",
  holder          text,
  lease_until     timestamptz,
  offers          integer          not null default 0,
  due_at          timestamptz,
  failures        integer          not null default 0,
  next_attempt_at timestamptz,
  unique (workspace, id)
-- Leaves room in each page for the next version of a row.
) with (fillfactor = 50);

create index durable_subscriptions_due on sluice.durable_subscriptions (due_at) where due_at is not null;
select sluice.guard('sluice.durable_subscriptions');

comment on table sluice.durable_subscriptions is
  'Subscriptions of the Durable Streams protocol. Another subscription of the same id, after a deletion, has another uid, which tokens name.';
comment on column sluice.durable_subscriptions.prefix is 'The characters before the first wildcard of the pattern, by which an index finds streams.';
comment on column sluice.durable_subscriptions.expression is 'The pattern as a regular expression, without back references.';
comment on column sluice.durable_subscriptions.config_hash is 'SHA-256 of the normalized configuration.';
comment on column sluice.durable_subscriptions.base_url is 'The URL of the prefix by which the subscription was created; callbacks come back to it.';
comment on column sluice.durable_subscriptions.backfilled is 'Whether the streams that existed before it are linked.';
comment on column sluice.durable_subscriptions.wake_id is 'The wake that is in flight or held; null: idle.';
comment on column sluice.durable_subscriptions.holder is 'The worker that has claimed the wake; null for webhooks.';
comment on column sluice.durable_subscriptions.offers is 'How often the present wake was written to the wake stream.';
comment on column sluice.durable_subscriptions.due_at is 'When somebody has to look at it: work, the end of a lease, or the next attempt.';
comment on column sluice.durable_subscriptions.failures is 'Failed attempts since the last success.';

create table sluice.durable_subscription_streams (
  uid       bigint           not null references sluice.durable_subscriptions on delete cascade,
  path      text collate "C" not null check (sluice.is_stream(path)),
  workspace text collate "C" not null,
  stream_id bigint,
  globbed   boolean          not null,
  explicit  boolean          not null,
  acked     bigint           not null default 0,
  pending   boolean          not null default false,
  primary key (uid, path),
  check (globbed or explicit)
) with (fillfactor = 80);

create index durable_subscription_streams_by_stream on sluice.durable_subscription_streams (stream_id) where stream_id is not null;
create index durable_subscription_streams_by_path on sluice.durable_subscription_streams (workspace, path);
create index durable_subscription_streams_pending on sluice.durable_subscription_streams (uid, path) where pending;
select sluice.guard('sluice.durable_subscription_streams');

comment on table sluice.durable_subscription_streams is 'The streams that a subscription is linked to, with its cursor on each.';
comment on column sluice.durable_subscription_streams.stream_id is 'Null, or no stream of the path: there is none yet, or it was deleted.';
comment on column sluice.durable_subscription_streams.acked is 'Position of the last event that was processed.';
comment on column sluice.durable_subscription_streams.pending is 'Somebody has seen a later event than the last acknowledged one.';

create table sluice.durable_subscription_marks (
  single boolean primary key default true check (single),
  judged bigint  not null
);
insert into sluice.durable_subscription_marks (judged) select coalesce(max(s.id), 0) from sluice.streams s;
select sluice.guard('sluice.durable_subscription_marks', 'false');

comment on table sluice.durable_subscription_marks is
  'One row: the patterns of subscriptions were compared with all streams up to this number, so that a look reads only newer ones.';

-- For admins, editors and workers. -----------------------------------------------------------------------------------

create function sluice.create_durable_subscription(
  workspace text, id text, type text, pattern text, prefix text, expression text, config_hash text, url text, url_host text,
  wake_stream text, base_url text, lease_ttl_ms integer, description text, created_by text, most integer
)
returns table (uid bigint, outcome text)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  found_hash text;
begin
  perform sluice.check_workspace(create_durable_subscription.workspace);
  -- One creation at a time in a workspace, so that their number is right.
  perform pg_advisory_xact_lock(hashtextextended('sluice.durable_subscriptions ' || create_durable_subscription.workspace, 0));
  select d.uid, d.config_hash into uid, found_hash from sluice.durable_subscriptions d
  where d.workspace = create_durable_subscription.workspace and d.id = create_durable_subscription.id;
  if found then
    outcome := case when found_hash = create_durable_subscription.config_hash then 'same' else 'different' end;
    return next;
    return;
  end if;
  if (select count(*) from (
    select from sluice.durable_subscriptions d where d.workspace = create_durable_subscription.workspace limit most) c) >= most then
    outcome := 'too-many';
    return next;
    return;
  end if;
  insert into sluice.durable_subscriptions as d (workspace, id, type, pattern, prefix, expression, config_hash, url, url_host, wake_stream,
    base_url, lease_ttl_ms, description, created_by)
  values (create_durable_subscription.workspace, create_durable_subscription.id, create_durable_subscription.type,
    create_durable_subscription.pattern, create_durable_subscription.prefix, create_durable_subscription.expression,
    create_durable_subscription.config_hash, create_durable_subscription.url, create_durable_subscription.url_host,
    create_durable_subscription.wake_stream, create_durable_subscription.base_url, create_durable_subscription.lease_ttl_ms,
    create_durable_subscription.description, create_durable_subscription.created_by)
  returning d.uid into uid;
  outcome := 'created';
  return next;
end
$$;

create function sluice.link_durable_streams(workspace text, uid bigint, paths text[], most integer) returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.check_workspace(link_durable_streams.workspace);
  -- The transaction has its number from here on, so that no mark passes a stream that it does not see yet.
  perform from sluice.durable_subscriptions d
  where d.workspace = link_durable_streams.workspace and d.uid = link_durable_streams.uid for no key update;
  if not found then
    raise exception using errcode = 'SL007', message = 'there is no such subscription';
  end if;
  insert into sluice.durable_subscription_streams as l (uid, path, workspace, stream_id, globbed, explicit, acked)
  select link_durable_streams.uid, p.path, link_durable_streams.workspace, s.id, false, true, coalesce(
    (select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1), s.base_position, 0)
  from (select distinct u.path from unnest(paths) u (path)) p
  left join sluice.streams s on s.workspace = link_durable_streams.workspace and s.name = p.path
  order by p.path
  on conflict (uid, path) do update set explicit = true;
  return (select count(*) from sluice.durable_subscription_streams l where l.uid = link_durable_streams.uid and l.explicit) <= most;
end
$$;

comment on function sluice.link_durable_streams is 'Whether the subscription has at most `most` explicit links now; else roll back.';

create function sluice.unlink_durable_stream(workspace text, uid bigint, path text) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.check_workspace(unlink_durable_stream.workspace);
  perform from sluice.durable_subscriptions d
  where d.workspace = unlink_durable_stream.workspace and d.uid = unlink_durable_stream.uid for no key update;
  delete from sluice.durable_subscription_streams l
  where l.workspace = unlink_durable_stream.workspace and l.uid = unlink_durable_stream.uid and l.path = unlink_durable_stream.path
    and not l.globbed;
  update sluice.durable_subscription_streams l set explicit = false
  where l.workspace = unlink_durable_stream.workspace and l.uid = unlink_durable_stream.uid and l.path = unlink_durable_stream.path
    and l.globbed;
end
$$;

create function sluice.delete_durable_subscription(workspace text, id text) returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.check_workspace(delete_durable_subscription.workspace);
  delete from sluice.durable_subscriptions d
  where d.workspace = delete_durable_subscription.workspace and d.id = delete_durable_subscription.id;
  return found;
end
$$;

create function sluice.is_linked_by(d sluice.durable_subscriptions, s sluice.streams) returns boolean
language sql stable
-- Its own wakes must not wake it. The streams of jobs, of presence and of the gateway have owners.
return s.kind = 'feed' and s.name ~ d.expression and s.name is distinct from d.wake_stream and not starts_with(s.name, 'presence:');

comment on function sluice.is_linked_by is 'Internal. Whether the pattern of a subscription links a stream.';

create function sluice.backfill_durable_subscription(workspace text, uid bigint, most integer) returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  d sluice.durable_subscriptions;
  linked bigint;
begin
  perform sluice.check_workspace(backfill_durable_subscription.workspace);
  -- The transaction has its number before it looks at the streams (sluice.discover_durable_streams).
  update sluice.durable_subscriptions o set backfilled = true
  where o.workspace = backfill_durable_subscription.workspace and o.uid = backfill_durable_subscription.uid returning o.* into d;
  if d.pattern is null then
    return true;
  end if;
  insert into sluice.durable_subscription_streams as l (uid, path, workspace, stream_id, globbed, explicit, acked)
  select d.uid, s.name, d.workspace, s.id, true, false, coalesce(
    (select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1), s.base_position)
  from sluice.streams s
  where s.workspace = d.workspace and s.name >= d.prefix and s.name < d.prefix || chr(1114111)
    and sluice.is_linked_by(d, s) order by s.name limit most + 1
  on conflict (uid, path) do update set globbed = true;
  get diagnostics linked = row_count;
  return linked <= most;
end
$$;

comment on function sluice.backfill_durable_subscription is
  'Links the streams that exist, at their ends. False if there are more than `most`: roll back then, and delete the subscription.';

create function sluice.new_wake_id() returns text
language sql volatile
return 'w_' || replace(gen_random_uuid()::text, '-', '');

create function sluice.mark_durable_work(uid bigint, stream_ids bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_column
begin
  update sluice.durable_subscription_streams l set pending = p.is_pending
  from (
    select o.path, h.head is not null and h.head > o.acked as is_pending
    from sluice.durable_subscription_streams o
    left join lateral (
      select coalesce((select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1),
        s.base_position) as head
      from sluice.streams s where s.id = o.stream_id
    ) h on true
    where o.uid = mark_durable_work.uid and (stream_ids is null or o.stream_id = any (stream_ids))
  ) p
  where l.uid = mark_durable_work.uid and l.path = p.path and l.pending is distinct from p.is_pending;
end
$$;

comment on function sluice.mark_durable_work is
  'Internal. Marks the links of one subscription, or those on the streams given, as pending or not. The caller has locked the subscription.';

create function sluice.claim_durable_subscription(workspace text, id text, worker text)
returns table (outcome text, uid bigint, generation bigint, wake_id text, holder text, lease_ttl_ms integer)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  d sluice.durable_subscriptions;
  present timestamptz := clock_timestamp();
begin
  perform sluice.check_workspace(claim_durable_subscription.workspace);
  select o.* into d from sluice.durable_subscriptions o
  where o.workspace = claim_durable_subscription.workspace and o.id = claim_durable_subscription.id for no key update;
  if not found then
    return;
  end if;
  uid := d.uid;
  generation := d.generation;
  lease_ttl_ms := d.lease_ttl_ms;
  if d.type <> 'pull-wake' then
    outcome := 'not-pull-wake';
  elsif d.holder is not null and d.lease_until > present then
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

create function sluice.settle_durable_wake(
  uid bigint, generation bigint, wake_id text, paths text[], positions bigint[], done boolean
)
returns table (outcome text, next_wake boolean, stream_ids bigint[])
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  d sluice.durable_subscriptions;
  present timestamptz := clock_timestamp();
begin
  select o.* into d from sluice.durable_subscriptions o where o.uid = settle_durable_wake.uid for no key update;
  next_wake := false;
  if not found then
    outcome := 'gone';
  elsif d.generation <> settle_durable_wake.generation or d.wake_id is distinct from settle_durable_wake.wake_id
    or d.lease_until is null or d.lease_until <= present then
    outcome := 'fenced';
  elsif exists (
    select from unnest(paths, positions) a (path, "position")
    join sluice.durable_subscription_streams l on l.uid = d.uid and l.path = a.path
    join sluice.streams s on s.id = l.stream_id
    where a.position > coalesce(
      (select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1), s.base_position)
  ) then
    outcome := 'beyond';
  else
    -- A link that is gone meanwhile is passed over, and a cursor never goes back.
    with given as (select a.path, max(a.position) as "position" from unnest(paths, positions) a (path, "position") group by a.path)
    update sluice.durable_subscription_streams l set acked = g.position
    from given g where l.uid = d.uid and l.path = g.path and l.stream_id is not null and l.acked < g.position;
    stream_ids := array(
      select l.stream_id from sluice.durable_subscription_streams l
      where l.uid = d.uid and l.path = any (paths) and l.stream_id is not null);
    perform sluice.mark_durable_work(d.uid, stream_ids);
    outcome := 'settled';
    if done then
      next_wake := exists (select from sluice.durable_subscription_streams l where l.uid = d.uid and l.pending);
      update sluice.durable_subscriptions o
      set wake_id = null, holder = null, lease_until = null, offers = 0, failures = 0, next_attempt_at = null,
        due_at = case when settle_durable_wake.next_wake then present end
      where o.uid = d.uid;
    else
      update sluice.durable_subscriptions o
      set lease_until = present + o.lease_ttl_ms * interval '1 ms', due_at = present + o.lease_ttl_ms * interval '1 ms',
        failures = 0, next_attempt_at = null
      where o.uid = d.uid;
    end if;
  end if;
  return next;
end
$$;

comment on function sluice.settle_durable_wake is
  'Acknowledges, and ends the wake if it is done; else the lease is extended. `fenced`: it is not the present wake, or its lease has '
  'ended. `beyond`: an offset is behind the end of its stream. Look at the streams again afterwards: one may have grown meanwhile.';

-- For the process that wakes: all workspaces. ------------------------------------------------------------------------

create function sluice.note_durable_growth(stream_ids bigint[]) returns integer
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  uids bigint[];
  present timestamptz := clock_timestamp();
  due integer;
begin
  uids := array(
    select distinct l.uid from sluice.durable_subscription_streams l
    join sluice.streams s on s.id = l.stream_id
    where l.stream_id = any (note_durable_growth.stream_ids) and not l.pending and l.acked < coalesce(
      (select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1), s.base_position));
  if cardinality(uids) = 0 then
    return 0;
  end if;
  -- An acknowledgement that ends the wake must see the mark, or leave the subscription idle before it.
  perform from sluice.durable_subscriptions d where d.uid = any (uids) order by d.uid for no key update;
  perform sluice.mark_durable_work(u.uid, note_durable_growth.stream_ids) from unnest(uids) u (uid);
  update sluice.durable_subscriptions d set due_at = greatest(present, d.next_attempt_at)
  where d.uid = any (uids) and d.wake_id is null and d.due_at is null
    and exists (select from sluice.durable_subscription_streams l where l.uid = d.uid and l.pending);
  get diagnostics due = row_count;
  return due;
end
$$;

comment on function sluice.note_durable_growth is
  'Marks what is pending on these streams, and lets idle subscriptions be due. One probe per stream and link; nothing is written unless '
  'a link becomes pending. @returns how many have become due.';

create function sluice.discover_durable_streams(after bigint, most integer)
returns table (last_id bigint, streams integer, due integer, next_xid xid8, oldest_xid xid8)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  fresh bigint[];
  uids bigint[];
begin
  -- Before the streams are read: a transaction that is not visible to them is running now.
  next_xid := pg_snapshot_xmax(pg_current_snapshot());
  oldest_xid := pg_snapshot_xmin(pg_current_snapshot());
  fresh := array(select s.id from sluice.streams s where s.id > after order by s.id limit most);
  streams := cardinality(fresh);
  last_id := coalesce(fresh[streams], after);
  due := 0;
  uids := array(
    select distinct d.uid from sluice.streams s
    join sluice.durable_subscriptions d on d.workspace = s.workspace and d.backfilled
    left join sluice.durable_subscription_streams l on l.uid = d.uid and l.path = s.name
    where s.id = any (fresh) and (
      (l.uid is not null and l.stream_id is distinct from s.id)
      or (l.globbed is not true and d.pattern is not null and starts_with(s.name, d.prefix) and sluice.is_linked_by(d, s))));
  if cardinality(uids) > 0 then
    perform from sluice.durable_subscriptions d where d.uid = any (uids) order by d.uid for no key update;
    -- From their beginning: the append that has made a stream known is pending too.
    update sluice.durable_subscription_streams l set stream_id = s.id, acked = s.base_position, pending = false
    from sluice.streams s
    where s.id = any (fresh) and l.uid = any (uids) and l.workspace = s.workspace and l.path = s.name
      and l.stream_id is distinct from s.id;
    insert into sluice.durable_subscription_streams as l (uid, path, workspace, stream_id, globbed, explicit, acked)
    select d.uid, s.name, s.workspace, s.id, true, false, s.base_position
    from sluice.streams s
    join sluice.durable_subscriptions d on d.workspace = s.workspace and d.uid = any (uids)
    where s.id = any (fresh) and d.pattern is not null and starts_with(s.name, d.prefix) and sluice.is_linked_by(d, s)
      and (select count(*) from (
        select from sluice.durable_subscription_streams o where o.uid = d.uid limit 10000) c) < 10000
    order by d.uid, s.name
    on conflict (uid, path) do update set globbed = true;
    due := sluice.note_durable_growth(fresh);
  end if;
  return next;
end
$$;

comment on function sluice.discover_durable_streams is
  'Links streams that were made after the stream `after` to the subscriptions whose pattern or explicit link they match. The mark may pass '
  'last_id when oldest_xid of a later call has reached next_xid of this one: then no older stream can appear any more.';

create function sluice.check_durable_links(after_uid bigint, after_path text, most integer)
returns table (uid bigint, path text, due integer)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  looked record;
begin
  select array_agg(p.stream_id) as ids, array_agg(p.uid order by p.uid, p.path) as uids, array_agg(p.path order by p.uid, p.path) as paths
  into looked
  from (
    select l.uid, l.path, l.stream_id from sluice.durable_subscription_streams l
    where (l.uid, l.path) > (after_uid, after_path) order by l.uid, l.path limit most
  ) p;
  if looked.uids is null then
    return;
  end if;
  delete from sluice.durable_subscription_streams l
  using unnest(looked.uids, looked.paths) g (uid, path)
  where l.uid = g.uid and l.path = g.path and not l.explicit
    and not exists (select from sluice.streams s where s.id = l.stream_id);
  due := sluice.note_durable_growth(looked.ids);
  uid := looked.uids[cardinality(looked.uids)];
  path := looked.paths[cardinality(looked.paths)];
  return next;
end
$$;

comment on function sluice.check_durable_links is
  'The fallback without wakes: looks at the next links after the given one, and returns the last of them; no row at the end. Forgets the '
  'links of patterns on streams that were deleted.';

create function sluice.move_durable_mark(judged bigint) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  update sluice.durable_subscription_marks m set judged = move_durable_mark.judged where m.judged < move_durable_mark.judged;
end
$$;

create function sluice.take_durable_wake(with_webhooks boolean)
returns table (
  uid bigint, workspace text, id text, type text, url text, base_url text, generation bigint, wake_id text, failures integer,
  lease_ttl_ms integer, wake_stream_id bigint, issued boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  d sluice.durable_subscriptions;
  present timestamptz := clock_timestamp();
  first_path text;
begin
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

comment on function sluice.take_durable_wake is
  'Takes the next subscription that is due, if any: ends a lease that is over, and issues a wake if work is pending. The caller sends the '
  'request of a webhook; a wake event is written here, in the same transaction. Its lease makes one process the deliverer of a webhook.';

create function sluice.note_durable_attempt(uid bigint, generation bigint, wake_id text, pause_ms integer, counts boolean) returns boolean
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  until timestamptz := clock_timestamp() + pause_ms * interval '1 ms';
begin
  if pause_ms is null then
    update sluice.durable_subscriptions d set failures = 0, next_attempt_at = null
    where d.uid = note_durable_attempt.uid and d.generation = note_durable_attempt.generation
      and d.wake_id = note_durable_attempt.wake_id;
  else
    update sluice.durable_subscriptions d
    set wake_id = null, holder = null, lease_until = null, failures = d.failures + counts::integer, next_attempt_at = until, due_at = until
    where d.uid = note_durable_attempt.uid and d.generation = note_durable_attempt.generation
      and d.wake_id = note_durable_attempt.wake_id;
  end if;
  return found;
end
$$;

comment on function sluice.note_durable_attempt is
  'What became of the request of a webhook. A null pause: it was answered. Else the wake is over, and another is due after the pause.';

-- The role of requests. ----------------------------------------------------------------------------------------------

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
        'durable_streams', 'durable_producers',
        'durable_subscriptions', 'durable_subscription_streams') then 'select'
      else 'select, insert, update, delete'
    end as rights
    from pg_class c
    where c.relnamespace = 'sluice'::regnamespace and c.relkind = 'r' and c.relrowsecurity
      and c.relname not in ('pending', 'idempotency_keys', 'stream_counts', 'durable_subscription_marks')
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
        'touch_durable', 'remove_durable', 'create_durable', 'lock_source',
        'create_durable_subscription', 'link_durable_streams', 'unlink_durable_stream', 'delete_durable_subscription',
        'backfill_durable_subscription', 'claim_durable_subscription')
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
