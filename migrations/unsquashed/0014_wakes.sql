-- Up Migration

-- A wake never fails what it tells of (I6). NOTIFY is part of the transaction that calls it: when the queue of
-- notifications is full, COMMIT fails with 54000; and PREPARE TRANSACTION refuses a transaction that has called it.
-- So the NOTIFY of sluice.publish and of watched tables is left out in these cases, and the poll finds the event.

create function sluice.wake(stream_ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
  if current_setting('sluice.notify', true) is not distinct from 'off' then
    return;
  end if;
  -- Whether this is the end of a transaction or its preparation only the client's statement tells, which cannot be sent
  -- from a function. A text that has the two words and means something else costs a wake.
  if current_setting('max_prepared_transactions')::int > 0 and current_query() ~* 'prepare.*transaction' then
    return;
  end if;
  -- Also moves the queue's tail on. Without that Postgres goes on refusing after the session that held it up has gone.
  if pg_notification_queue_usage() > 0.5 then
    return;
  end if;
  -- A payload has at most 7,999 bytes, a number at most 19 digits and its comma.
  perform pg_notify('sluice_wake', ':' || string_agg(i.id::text, ','))
  from unnest(stream_ids) with ordinality as i (id, place)
  group by (i.place - 1) / 380;
end
$$;

comment on function sluice.wake is
  'Internal. Tells the gateways by NOTIFY that these streams have grown, unless that could fail the transaction: when '
  'more than half of the queue of notifications is in use, and when the transaction is being prepared.';

-- As before, but for the wake: and what the system tells itself is woken for by the gateway that wrote it.
create or replace function sluice.append_pending() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
  ids bigint[];
  woken bigint[];
begin
  if told <> '' then
    perform set_config('sluice.workspace', '', true);
  end if;
  -- Called once for each event of the transaction. The first call takes them all, so the others find theirs gone.
  if exists (
    select from sluice.pending p where p.transaction_id = new.transaction_id and p.ordinal = new.ordinal
  ) then
    select sluice.lock_streams(array_agg(t.workspace), array_agg(t.stream)) into ids
    from (select distinct p.workspace, p.stream from sluice.pending p where p.transaction_id = new.transaction_id) t;
    perform sluice.refuse_closed(ids);

    begin
      insert into sluice.events (stream_id, position, at, event_id, type, data, actor)
      select t.stream_id, t.position + row_number() over (partition by t.stream_id order by p.ordinal),
        t.at, p.event_id, p.type, p.data, p.actor
      from sluice.pending p
      cross join lateral (
        select s.id from sluice.streams s where s.workspace = p.workspace and s.name = p.stream limit 1
      ) s
      join sluice.tails(ids) t on t.stream_id = s.id
      where p.transaction_id = new.transaction_id;
    exception
      when unique_violation then perform sluice.refuse_snapshot();
    end;
    delete from sluice.pending p where p.transaction_id = new.transaction_id;

    select array_agg(s.id) into woken from sluice.streams s where s.id = any (ids) and s.workspace <> '$system';
    perform sluice.wake(woken);
  end if;
  if told <> '' then
    perform set_config('sluice.workspace', told, true);
  end if;
  return null;
end
$$;

comment on function sluice.publish_access_change is
  'Tells all gateways of a change of access, once the calling transaction commits. Ids, never secrets. Sends no NOTIFY: a '
  'revocation must not fail by that. The caller wakes the gateways afterwards.';

revoke all on all functions in schema sluice from public;
