-- Streams that expire in several processes at once.
--
-- The deletion of a fork may lock the name of its deleted source, and the one of a source waits for the deletion of its fork. Two
-- transactions that delete several forks each could wait for each other, so the fork is the only stream of its transaction. Others
-- wait only for forks, in the order of their numbers, and a fork has a greater one than its source.

create or replace function sluice.expire_durable(at_most integer) returns bigint[]
language plpgsql security definer
as $$
declare
  -- A comparison with a volatile function uses no index.
  present timestamptz := clock_timestamp();
  target sluice.streams;
  known sluice.durable_streams;
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
    select d.* into known from sluice.durable_streams d where d.stream_id = target.id and d.expires_at <= present;
    -- It may have been used since.
    continue when not found or (known.forked_from is not null and removed <> '{}');
    perform sluice.drop_stream(target);
    removed := removed || target.id;
    exit when known.forked_from is not null;
  end loop;
  return removed;
end
$$;

comment on function sluice.expire_durable is
  'Internal. Deletes at most so many streams that have expired, or one fork, and returns their numbers; none when nothing is left.';
