-- Up Migration

-- How every process learns that stored events were changed: it drops from its memory what it has of them.
--
-- Invariant: the message is appended by the transaction of the change, to a stream of the system that every process follows, so
-- neither exists without the other, and a process that was away gets it later.

create function sluice.announce_changes(stream_id bigint, up_to bigint) returns void
language plpgsql
as $$
declare
  told text := coalesce(current_setting('sluice.workspace', true), '');
  changes bigint;
begin
  perform set_config('sluice.workspace', '', true);
  changes := sluice.ensure_stream('$system', 'changed-events', 'changes');
  insert into sluice.pending (workspace, stream, type, data)
  values ('$system', 'changed-events', 'events.changed', json_build_object('stream', stream_id, 'up_to', up_to));
  perform sluice.wake(array[stream_id, changes]);
  perform set_config('sluice.workspace', told, true);
end
$$;

comment on function sluice.announce_changes is
  'Internal. Lets every process drop the events of a stream up to a position from its memory when the transaction commits, '
  'because the transaction has changed some of them.';

revoke all on all functions in schema sluice from public;
