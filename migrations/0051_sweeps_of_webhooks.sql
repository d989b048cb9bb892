-- Up Migration

-- The sweeps of webhooks continue after an id by an index also behind row-level security, where only a comparison with a plain parameter
-- uses one.

create or replace function sluice.remove_webhook_attempts(keep interval, most bigint, at_most integer, inout after uuid, out removed bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most_webhooks constant int := 100;
  first uuid := coalesce(after, '00000000-0000-0000-0000-000000000000');
  -- UUIDv7: 48 bits of milliseconds since 1970.
  oldest uuid := (lpad(to_hex((extract(epoch from clock_timestamp() - keep) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
  target record;
  gone bigint;
  surplus bigint;
  seen int := 0;
begin
  removed := 0;
  for target in
    select w.id, w.attempts from sluice.webhooks w where w.id > first
    order by w.id limit most_webhooks
  loop
    seen := seen + 1;
    delete from sluice.webhook_attempts a where a.webhook_id = target.id and a.id = any (array(
      select o.id from sluice.webhook_attempts o where o.webhook_id = target.id and o.id < oldest
      order by o.id limit at_most - removed
    ));
    get diagnostics gone = row_count;
    if target.attempts - gone > most then
      delete from sluice.webhook_attempts a where a.webhook_id = target.id and a.id = any (array(
        select o.id from sluice.webhook_attempts o where o.webhook_id = target.id
        order by o.id limit least(at_most - removed - gone, target.attempts - gone - most)
      ));
      get diagnostics surplus = row_count;
      gone := gone + surplus;
    end if;
    update sluice.webhooks w set attempts = greatest(w.attempts - gone, 0) where w.id = target.id and gone > 0;
    removed := removed + gone;
    -- Others follow in the next call, and so does the rest of this one.
    if removed >= at_most then
      return;
    end if;
    after := target.id;
  end loop;
  if seen < most_webhooks then
    after := null;
  end if;
end
$$;

create or replace function sluice.remove_lost_dead_letters(at_most integer, inout after uuid, out removed bigint)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most_webhooks constant int := 100;
  first uuid := coalesce(after, '00000000-0000-0000-0000-000000000000');
  target record;
  gone bigint;
  seen int := 0;
begin
  removed := 0;
  for target in
    select w.id, w.dead_letters, (select c.stream_id from sluice.consumers c where c.id = w.id) as stream_id
    from sluice.webhooks w where w.id > first
    order by w.id limit most_webhooks
  loop
    seen := seen + 1;
    if target.dead_letters = 0 then
      after := target.id;
      continue;
    end if;
    with lost as (
      delete from sluice.webhook_dead_letters d where d.webhook_id = target.id and d.position = any (array(
        select o.position from sluice.webhook_dead_letters o
        where o.webhook_id = target.id and o.position <= coalesce(
          (select s.base_position from sluice.streams s where s.id = target.stream_id), 9223372036854775807)
        order by o.position limit at_most - removed
      ))
      returning 1
    )
    select count(*) into gone from lost;
    update sluice.webhooks w set dead_letters = greatest(w.dead_letters - gone, 0) where w.id = target.id and gone > 0;
    removed := removed + gone;
    if removed >= at_most then
      return;
    end if;
    after := target.id;
  end loop;
  if seen < most_webhooks then
    after := null;
  end if;
end
$$;

revoke all on all functions in schema sluice from public;
