-- Up Migration

-- Who follows a stream, over all nodes; and presence, which is published on streams of its own.
--
-- A process that wants to list the clients of a stream asks: it writes a question, and the nodes that have clients of the stream answer
-- it with their next heartbeats, as long as it is asked. So clients cost the database nothing while nobody asks.
--
-- Presence: while a stream has the option presence, each node keeps the principals of its clients in sluice.node_principals. The first
-- node (sluice.heartbeat) compares them with sluice.present, the principals that were announced, and publishes the difference on the
-- stream presence:NAME.
--
--   missing in sluice.present ── seen ──▶ present: presence.joined ── not seen ──▶ missing since ── seen ──▶ present
--                                                                              └─ 15 s later: presence.left
--
-- Invariant: sluice.present changes in the transaction that publishes the change, under the lock of the stream's row in
-- sluice.presence. So each change is published once, whichever node writes, and however many believe that they are the first.
-- Questions, answers and principals of nodes may be lost at any time: their tables are unlogged.

create unlogged table sluice.client_questions (
  stream_id bigint not null,
  after     text collate "C" not null,
  asked_at  timestamptz not null,
  primary key (stream_id, after)
);

comment on table sluice.client_questions is 'Pages of the clients of streams that nodes are asked for at present.';
comment on column sluice.client_questions.after is 'The client after which the page begins, such as 5c9f6d0e.17; empty: the first one.';

create unlogged table sluice.client_answers (
  stream_id   bigint not null,
  after       text collate "C" not null,
  node_id     uuid not null references sluice.nodes on delete cascade,
  answered_at timestamptz not null,
  clients     json not null,
  primary key (stream_id, after, node_id),
  foreign key (stream_id, after) references sluice.client_questions on delete cascade
);

create index client_answers_by_node on sluice.client_answers (node_id);

comment on table sluice.client_answers is 'The answers of the nodes: the first clients of each on the page.';

create unlogged table sluice.node_principals (
  stream_id bigint not null,
  principal text collate "C" not null,
  node_id   uuid not null references sluice.nodes on delete cascade,
  primary key (stream_id, principal, node_id)
);

create index node_principals_by_node on sluice.node_principals (node_id);

comment on table sluice.node_principals is
  'The principals that follow a stream with the option presence, per process, as it has last reported them.';

create table sluice.presence (
  stream_id          bigint primary key,
  presence_stream_id bigint not null unique references sluice.streams on delete cascade
);

comment on table sluice.presence is
  'The streams with the option presence, and those that lost it and whose principals have not all left yet.';
comment on column sluice.presence.presence_stream_id is 'The stream that the events are published on.';

create table sluice.present (
  stream_id     bigint not null references sluice.presence on delete cascade,
  principal     text collate "C" not null,
  missing_since timestamptz,
  primary key (stream_id, principal)
);

comment on table sluice.present is 'The principals of which presence.joined was published, and not yet presence.left.';
comment on column sluice.present.missing_since is 'Since when no node reports it; null while one does.';

-- Questions. -----------------------------------------------------------------------------------------------------------

create function sluice.ask_clients(stream_id bigint, after text, node uuid)
returns table (node_id uuid, clients json)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  present timestamptz := clock_timestamp();
  is_asked boolean := true;
begin
  if not exists (
    select from sluice.node_streams s
    where s.stream_id = ask_clients.stream_id and s.node_id <> node and left(s.node_id::text, 8) >= left(ask_clients.after, 8)
  ) then
    return;
  end if;
  update sluice.client_questions q set asked_at = present
  where q.stream_id = ask_clients.stream_id and q.after = ask_clients.after and q.asked_at < present - interval '1 second';
  if not found and not exists (
    select from sluice.client_questions q where q.stream_id = ask_clients.stream_id and q.after = ask_clients.after
  ) then
    -- What a workspace asks costs all nodes.
    is_asked := (select count(*) from sluice.client_questions) < 500 and (
      select count(*) from sluice.client_questions q join sluice.streams s on s.id = q.stream_id
      where s.workspace = (select o.workspace from sluice.streams o where o.id = ask_clients.stream_id)) < 20;
    if is_asked then
      insert into sluice.client_questions values (ask_clients.stream_id, ask_clients.after, present) on conflict do nothing;
    end if;
  end if;
  return query
  select s.node_id, case when is_asked then a.clients else '[]' end
  from sluice.node_streams s
  left join sluice.client_answers a on a.stream_id = s.stream_id and a.after = ask_clients.after and a.node_id = s.node_id
    and a.answered_at > present - interval '6 seconds'
  where s.stream_id = ask_clients.stream_id and s.node_id <> node and left(s.node_id::text, 8) >= left(ask_clients.after, 8);
end
$$;

comment on function sluice.ask_clients is
  'Internal. Asks the other nodes for a page of the clients of a stream. Returns the nodes that have clients of it, with their answers, '
  'null while there is none.';

create function sluice.questions_for(node uuid) returns json
language plpgsql security definer
as $$
begin
  if not exists (select from sluice.client_questions) then
    return null;
  end if;
  delete from sluice.client_questions q where (q.stream_id, q.after) in (
    select o.stream_id, o.after from sluice.client_questions o where o.asked_at < clock_timestamp() - interval '20 seconds'
    for update skip locked
  );
  return (
    select json_agg(json_build_object('stream', q.stream_id, 'after', q.after))
    from sluice.client_questions q join sluice.node_streams s on s.stream_id = q.stream_id and s.node_id = questions_for.node
  );
end
$$;

comment on function sluice.questions_for is
  'Internal. The questions that a node has to answer, null if there are none. Removes those that nobody has asked for 20 seconds.';

create function sluice.answer_clients(node uuid, stream_ids bigint[], afters text[], answers json[]) returns void
language plpgsql security definer
as $$
begin
  insert into sluice.client_answers as a (stream_id, after, node_id, answered_at, clients)
  select t.stream_id, t.after, answer_clients.node, clock_timestamp(), t.clients
  from unnest(stream_ids, afters, answers) as t (stream_id, after, clients)
  where exists (select from sluice.client_questions q where q.stream_id = t.stream_id and q.after = t.after)
  on conflict on constraint client_answers_pkey do update set answered_at = excluded.answered_at, clients = excluded.clients;
end
$$;

comment on function sluice.answer_clients is 'Internal. Stores the answers of a node.';

-- Presence. ------------------------------------------------------------------------------------------------------------

create or replace function sluice.check_option(name text, value jsonb, of_workspace boolean) returns void
language plpgsql immutable
as $$
declare
  least numeric := case name when 'compact_after_seconds' then 0 else 1 end;
  most numeric := case name when 'max_age_seconds' then 3155760000 when 'max_events' then 9007199254740991
    when 'compact_after_seconds' then 315360000 end;
begin
  if most is null and name not in ('compact_key', 'presence')
    or of_workspace and (starts_with(name, 'compact_') or name = 'presence') then
    raise exception using
      errcode = 'SL002',
      message = format('there is no option %L%s', left(name, 200), case when of_workspace then ' of a workspace' end),
      hint = 'The options are max_age_seconds and max_events, and of a stream compact_key, compact_after_seconds and presence.';
  end if;
  if jsonb_typeof(value) = 'null' then
    return;
  end if;
  if name = 'presence' then
    if jsonb_typeof(value) <> 'boolean' then
      raise exception using
        errcode = 'SL002', message = 'the option presence is neither true nor false', hint = 'null removes an option.';
    end if;
    return;
  end if;
  if name = 'compact_key' then
    if jsonb_typeof(value) <> 'string' or not sluice.is_key_path(value #>> '{}') then
      raise exception using
        errcode = 'SL002',
        message = 'the option compact_key is not the path of a key',
        hint = 'Pass data and one or more names of letters, digits, _ and -, at most 256 characters, such as data.id.';
    end if;
    return;
  end if;
  if jsonb_typeof(value) <> 'number' or value::numeric <> trunc(value::numeric) or value::numeric not between least and most then
    raise exception using
      errcode = 'SL002',
      message = format('the option %s is not a whole number from %s to %s', name, least, most),
      hint = 'null removes an option.';
  end if;
end
$$;

create function sluice.apply_presence() returns trigger
language plpgsql security definer
as $$
declare
  own_name text := 'presence:' || new.name;
begin
  if starts_with(new.name, 'presence:') or length(own_name) > 128 then
    raise exception using
      errcode = 'SL002',
      message = format('the stream %L cannot have the option presence', new.name),
      detail = 'Its events are published on a stream named presence: and the name of the stream, of 128 characters at most.',
      hint = 'Set the option on another stream, with a name of 119 characters at most.';
  end if;
  -- An option keeps retention from removing the stream as unused; this one makes from=latest-by-key cheap.
  if not exists (
    select from sluice.streams s where s.workspace = new.workspace and s.name = own_name and s.options is not null
  ) then
    perform sluice.configure_stream(new.workspace, own_name, '{"compact_key": "data.principal"}');
  end if;
  insert into sluice.presence select new.id, s.id
  from sluice.streams s where s.workspace = new.workspace and s.name = own_name
  on conflict do nothing;
  return null;
end
$$;

comment on function sluice.apply_presence is 'Internal. Lets sluice.presence follow the options of a stream.';

create trigger apply_presence after update of options on sluice.streams for each row
  when (new.options @> '{"presence": true}' and (old.options is null or not old.options @> '{"presence": true}'))
  execute function sluice.apply_presence();

comment on function sluice.configure_stream is
  'Sets, changes and (with null) removes options of a stream, which is created if it is missing, and returns all of them. '
  'max_age_seconds: how long retention keeps an event. max_events: how many of the newest events it keeps. Both override the '
  'workspace''s options and the gateways'' RETENTION_DAYS, in either direction; retention runs about once an hour. '
  'compact_key: the path of a key, such as data.id. An event that a newer one of the same key has superseded loses its type and data '
  'when it is older than compact_after_seconds (3600); it keeps its position and id, and clients do not get it. '
  'presence: true publishes on the stream presence:NAME which principals follow the stream. '
  'SL002: invalid option. SL006: the stream of a job.';

create function sluice.presence_for(node uuid) returns bigint[]
language plpgsql security definer
as $$
begin
  if not exists (select from sluice.presence) then
    return null;
  end if;
  return array(
    select p.stream_id from sluice.presence p join sluice.node_streams s on s.stream_id = p.stream_id and s.node_id = presence_for.node
  );
end
$$;

comment on function sluice.presence_for is
  'Internal. The streams whose principals a node has to report; null if no stream at all has the option presence.';

create function sluice.report_principals(node uuid, anew boolean, stream_ids bigint[], principals text[], there boolean[]) returns void
language plpgsql security definer
as $$
begin
  delete from sluice.node_principals p
  where p.node_id = report_principals.node and (anew or (p.stream_id, p.principal) in (
    select t.stream_id, t.principal from unnest(stream_ids, principals, there) as t (stream_id, principal, there) where not t.there
  ));
  insert into sluice.node_principals
  select t.stream_id, t.principal, report_principals.node
  from unnest(stream_ids, principals, there) as t (stream_id, principal, there) where t.there
  on conflict do nothing;
end
$$;

comment on function sluice.report_principals is
  'Internal. Stores which principals have come to streams in a process, and which have left; anew first removes all.';

create function sluice.presence_due(grace_ms integer) returns setof bigint
language plpgsql security definer
as $$
begin
  return query
  select d.stream_id from (
    select coalesce(n.stream_id, p.stream_id) as stream_id
    from (select distinct o.stream_id, o.principal from sluice.node_principals o) n
    full join sluice.present p on p.stream_id = n.stream_id and p.principal = n.principal
    where p.principal is null or (n.principal is null) is distinct from (p.missing_since is not null)
      or p.missing_since < clock_timestamp() - grace_ms * interval '1 ms'
    union
    select p.stream_id from sluice.presence p
    where not exists (
      select from sluice.streams s where s.id = p.stream_id and s.closed_at is null and s.options @> '{"presence": true}')
  ) d
  where exists (select from sluice.presence p where p.stream_id = d.stream_id)
  order by random() limit 100;
end
$$;

comment on function sluice.presence_due is 'Internal. Streams with something to note about presence, at most 100, in any order.';

create function sluice.note_presence(stream_id bigint, grace_ms integer, most integer)
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
  where p.stream_id = note_presence.stream_id for update of p skip locked;
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
  end if;
  return next;
end
$$;

comment on function sluice.note_presence is
  'Internal. Publishes which principals have come to a stream, and which have been missing for longer than grace_ms, at most so many of '
  'each, when the transaction commits. Nothing if another transaction does so at this moment.';

create or replace function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked',
  'cursor', 'event.compacted', 'event.redacted', 'consumer.lagging', 'webhook.paused', 'webhook.resumed', 'webhook.disabled',
  'webhook.test', 'sluice.reset', 'presence.joined', 'presence.left'
];

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
