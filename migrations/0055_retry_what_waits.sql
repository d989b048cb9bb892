-- Up Migration

-- An event that waits for its next try is tried at once when an admin lets it be sent again: an ordered webhook then goes on. It is
-- not sent beside that, where it would unblock nothing.

create or replace function sluice.retry_webhook_delivery(workspace text, webhook uuid, "position" bigint, event_id uuid) returns void
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  target sluice.webhooks := sluice.lock_webhook(workspace, webhook);
  letters integer;
begin
  update sluice.webhook_waiting d set next_try_at = clock_timestamp()
  where d.webhook_id = target.id and d.lane in ('live', 'replay') and d.position = retry_webhook_delivery.position;
  if found then
    update sluice.webhooks w set revision = w.revision + 1 where w.id = target.id;
    return;
  end if;
  if sluice.room_for_retries(target.id) <= 0 and not exists (
    select from sluice.webhook_waiting d
    where d.webhook_id = target.id and d.lane = 'retry' and d.position = retry_webhook_delivery.position
  ) then
    raise exception using
      errcode = 'SL019',
      message = format('the webhook %s has too many deliveries that wait to be sent again', target.id),
      hint = 'Wait until some of them are sent.';
  end if;
  delete from sluice.webhook_dead_letters d
  where d.webhook_id = target.id and d.position = retry_webhook_delivery.position;
  get diagnostics letters = row_count;
  insert into sluice.webhook_waiting as d (webhook_id, lane, position, workspace, event_id)
  values (target.id, 'retry', retry_webhook_delivery.position, target.workspace, retry_webhook_delivery.event_id)
  on conflict (webhook_id, lane, position) do update
  set event_id = excluded.event_id, attempts = 0, next_try_at = excluded.next_try_at;
  update sluice.webhooks w
  set revision = w.revision + 1, dead_letters = greatest(w.dead_letters - letters, 0)
  where w.id = target.id;
end
$$;

comment on function sluice.retry_webhook_delivery is
  'Lets an event be sent to an existing webhook again, as soon as possible: one that waits for its next try is tried now. SL019: too '
  'many wait for that.';
