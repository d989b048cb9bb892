-- Up Migration

-- The functions that requests may call with the number of a stream or of a consumer accept only one of their own workspace. And a
-- condition has 4,096 characters at most, of up to four bytes.

alter table sluice.consumers drop constraint consumers_condition_check;
alter table sluice.consumers add constraint consumers_condition_check check (octet_length(condition) <= 16384);

create function sluice.check_stream_of(workspace text, stream_id bigint) returns void
language plpgsql stable
as $$
begin
  if not exists (
    select from sluice.streams s where s.id = check_stream_of.stream_id and s.workspace = check_stream_of.workspace
  ) then
    raise exception using
      errcode = 'SL007',
      message = format('the workspace %L has no stream with the number %s', check_stream_of.workspace, check_stream_of.stream_id);
  end if;
end
$$;

comment on function sluice.check_stream_of is 'Internal. Raises SL007 unless the stream belongs to the workspace.';

create or replace function sluice.create_consumer(
  workspace text, id uuid, kind text, name text, stream text, stream_id bigint, types text, condition text, description text,
  ack_timeout_ms integer, max_in_flight integer, cursor_position bigint, cursor_event_id uuid, active boolean, actor text
)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most constant int := 1000;
  counted int;
begin
  perform sluice.check_workspace(create_consumer.workspace);
  perform sluice.check_stream_of(create_consumer.workspace, create_consumer.stream_id);
  -- Callers that create at once take turns, so that they count each other's.
  perform pg_advisory_xact_lock(hashtextextended('sluice.consumers:' || create_consumer.workspace, 0));
  if create_consumer.kind = 'pull' then
    if exists (
      select from sluice.consumers c
      where c.workspace = create_consumer.workspace and c.name = create_consumer.name and c.kind = 'pull'
    ) then
      return;
    end if;
    select count(*) into counted from sluice.consumers c
    where c.workspace = create_consumer.workspace and c.kind = 'pull';
    if counted >= most then
      raise exception using
        errcode = 'SL016',
        message = format('the workspace %L has %s consumers', create_consumer.workspace, most),
        hint = 'Delete consumers that nobody uses.';
    end if;
  end if;
  return query
  insert into sluice.consumers as c (
    id, workspace, kind, name, stream, stream_id, types, condition, description, ack_timeout_ms, max_in_flight, cursor_position,
    cursor_event_id, active, created_by
  ) values (
    create_consumer.id, create_consumer.workspace, create_consumer.kind, create_consumer.name, create_consumer.stream,
    create_consumer.stream_id, create_consumer.types, create_consumer.condition, create_consumer.description,
    create_consumer.ack_timeout_ms, create_consumer.max_in_flight, create_consumer.cursor_position,
    create_consumer.cursor_event_id, create_consumer.active, create_consumer.actor
  )
  returning c.*;
end
$$;

comment on function sluice.create_consumer is
  'Creates a consumer. No row when the workspace has a pull consumer of that name. SL007: the stream is not one of the workspace. '
  'SL016: too many pull consumers. 42501: the transaction belongs to another workspace, as for all functions that take one.';

create or replace function sluice.seek_consumer(
  workspace text, id uuid, stream_id bigint, cursor_position bigint, cursor_event_id uuid
)
returns setof sluice.consumers
language plpgsql security definer
as $$
#variable_conflict use_column
begin
  perform sluice.fence_consumer(seek_consumer.workspace, seek_consumer.id, 'sought', null);
  perform sluice.check_stream_of(seek_consumer.workspace, seek_consumer.stream_id);
  return query
  update sluice.consumers c
  set stream_id = seek_consumer.stream_id, cursor_position = seek_consumer.cursor_position,
    cursor_event_id = seek_consumer.cursor_event_id, lost_at = null
  where c.id = seek_consumer.id and c.workspace = seek_consumer.workspace
  returning c.*;
end
$$;

comment on function sluice.seek_consumer is
  'Puts the cursor anywhere and takes the consumer away from its holder. SL007: the stream is not one of the workspace.';

create or replace function sluice.create_webhook(
  workspace text, id uuid, url text, url_host text, form text, ordering text, on_exhausted text, header_names text[], active boolean
)
returns void
language plpgsql security definer
as $$
declare
  most constant int := 1000;
begin
  perform sluice.check_workspace(create_webhook.workspace);
  if not exists (
    select from sluice.consumers c
    where c.id = create_webhook.id and c.workspace = create_webhook.workspace and c.kind = 'webhook'
  ) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('the workspace %L has no consumer %s of the kind webhook', create_webhook.workspace, create_webhook.id);
  end if;
  -- Callers that create at once have taken turns in sluice.create_consumer.
  if (select count(*) from sluice.webhooks w where w.workspace = create_webhook.workspace) >= most then
    raise exception using
      errcode = 'SL017',
      message = format('the workspace %L has %s webhooks', create_webhook.workspace, most),
      hint = 'Delete webhooks that nobody needs.';
  end if;
  insert into sluice.webhooks (id, workspace, url, url_host, form, ordering, on_exhausted, header_names, state, state_reason)
  values (
    create_webhook.id, create_webhook.workspace, create_webhook.url, create_webhook.url_host, create_webhook.form,
    create_webhook.ordering, create_webhook.on_exhausted, create_webhook.header_names,
    case when active then 'active' else 'paused' end, case when not active then 'by-admin' end
  );
end
$$;

comment on function sluice.create_webhook is
  'Creates the endpoint of a consumer that the same transaction has created. SL017: too many webhooks. 42501: the transaction '
  'belongs to another workspace, as for all functions that take one, or the consumer does.';

revoke all on all functions in schema sluice from public;
