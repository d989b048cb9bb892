-- Up Migration

-- Which names, types and data an event may have.
--
-- Invariant: these limits hold for every publisher. The gateway has the same ones, but an application that publishes from
-- SQL never passes through the gateway. The check_… functions raise SL002 and say what to do.
--
-- The patterns leave the length to octet_length: a bounded repetition ({0,127}) makes a match fifteen times as slow. All
-- characters that the patterns accept are single bytes.

create function sluice.is_workspace(name text) returns boolean
language sql immutable
return name ~ '^[A-Za-z0-9][A-Za-z0-9._:@-]*$' and octet_length(name) <= 128;


create function sluice.is_stream(name text) returns boolean
language sql immutable
return name ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]*$' and octet_length(name) <= 128;


create function sluice.is_type(name text) returns boolean
language sql immutable
return name ~ '^[A-Za-z][A-Za-z0-9._:/-]*$' and octet_length(name) <= 128;


comment on function sluice.is_workspace is
  'Whether this is the name of a workspace: 1 to 128 of A-Z a-z 0-9 . _ : @ - that start with a letter or a digit.';
comment on function sluice.is_stream is
  'Whether this is the name of a stream: 1 to 128 of A-Z a-z 0-9 . _ : / - that start with a letter or a digit.';
comment on function sluice.is_type is
  'Whether this is the type of an event: 1 to 128 of A-Z a-z 0-9 . _ : / - that start with a letter.';

create function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked',
  'cursor'
];

comment on function sluice.reserved_types is
  'Types that no new event may have, because the wire or EventSource itself uses these names.';

create function sluice.check_name_forms(workspace text, stream text, system boolean default false, watched regclass default null)
returns void
language plpgsql immutable
as $$
begin
  if not coalesce(sluice.is_workspace(workspace) or system and workspace = '$system', false) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event%s: %s is not a workspace', ' of the watched table ' || watched::text,
        coalesce(quote_literal(left(workspace, 200)), 'null')),
      detail = 'A workspace is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : @ - and starts with a letter or a digit.',
      hint = 'Pass the workspace to which the event belongs.';
  end if;
  if not coalesce(sluice.is_stream(stream), false) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is not a stream', coalesce(quote_literal(left(stream, 200)), 'null')),
      detail = 'A stream is named by 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter or a digit.',
      hint = 'Clients follow the stream feed unless they name another.';
  end if;
end
$$;

comment on function sluice.check_name_forms is 'Internal. Raises SL002 unless workspace and stream are well-formed names.';

-- These functions run with their owner's rights, which bypass row-level security if the owner is a superuser. So the
-- workspace is compared here too.
create function sluice.check_names(workspace text, stream text, system boolean default false, watched regclass default null)
returns void
language plpgsql stable
as $$
begin
  perform sluice.check_name_forms(workspace, stream, system, watched);
  if workspace <> nullif(current_setting('sluice.workspace', true), '') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('this transaction belongs to another workspace than %L', workspace);
  end if;
  if starts_with(stream, 'job:') then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the stream %L belongs to a job and takes events through the job only', stream),
      hint = 'POST /api/jobs/:id/events appends to it.';
  end if;
end
$$;

comment on function sluice.check_names is
  'Internal. Raises SL002 unless callers may append to a stream of this name, and 42501 when the transaction has set another '
  'workspace.';

create function sluice.check_type(type text, system boolean default false) returns void
language plpgsql immutable
as $$
begin
  if not coalesce(sluice.is_type(type), false) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is not a type', coalesce(quote_literal(left(type, 200)), 'null')),
      detail = 'A type is 1 to 128 characters out of A-Z a-z 0-9 . _ : / - and starts with a letter.',
      hint = 'Name what happened, such as item.created.';
  end if;
  if not system and type = any (sluice.reserved_types()) then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the type %L is reserved', type),
      detail = 'Clients receive messages of this name that are not events, so they could not tell the two apart.',
      hint = 'Name what happened, such as item.created.';
  end if;
  if not system and starts_with(type, 'job.') then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: the type %L is reserved', type),
      detail = 'Types that start with job. report the status of a job. Only the gateway publishes them.',
      hint = 'Use another type, such as build.completed.';
  end if;
end
$$;

comment on function sluice.check_type is 'Internal. Raises SL002 unless an event may have this type.';

create function sluice.depth(data json) returns int
language sql immutable
return (
  select coalesce(max(level), 0)
  from (
    select sum(case when bracket in ('{', '[') then 1 else -1 end) over (order by place) as level
    from string_to_table(
      regexp_replace(data::text, '"(?:\\.|[^"\\])*"|[^][{}"]+', '', 'g'), null
    ) with ordinality as b (bracket, place)
  ) levels
);

comment on function sluice.depth is 'Internal. How many levels of objects and arrays a JSON text has.';

create function sluice.check_data(data json, watched regclass default null) returns void
language plpgsql immutable
as $$
declare
  body text := data::text;
  what text := coalesce('a row of the watched table ' || watched::text, 'the data');
  remedy text := case
    when watched is null then 'Publish what changed or a reference to it, not the whole.'
    else format('Watch fewer columns: select sluice.watch(%L, columns => array[…], …).', watched::text)
  end;
begin
  if json_typeof(data) is distinct from 'object' then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is %s, not a JSON object', what, coalesce('of type ' || json_typeof(data), 'null')),
      hint = 'Wrap it, for example as json_build_object(''value'', …).';
  end if;
  if octet_length(body) > 262144 then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s is %s bytes as JSON', what, octet_length(body)),
      detail = 'An event carries at most 262144 bytes (256 KiB).',
      hint = remedy;
  end if;
  -- A text has at most as many levels as opening brackets, and nearly all data has few brackets.
  if octet_length(body) - octet_length(translate(body, '{[', '')) > 64 and sluice.depth(data) > 64 then
    raise exception using
      errcode = 'SL002',
      message = format('invalid event: %s has %s levels', what, sluice.depth(data)),
      detail = 'Objects and arrays of an event are nested at most 64 levels deep: clients parse them recursively.',
      hint = remedy;
  end if;
end
$$;

comment on function sluice.check_data is
  'Internal. Raises SL002 unless an event may carry this data. watched: the table that the data comes from, for the message.';

revoke all on all functions in schema sluice from public;
