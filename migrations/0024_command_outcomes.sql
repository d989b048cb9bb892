-- Up Migration

-- The details of a command's end in the audit log. Results are what a runner sends, of any type and size, so only short values
-- of the known types are copied.

create function sluice.command_outcome(job sluice.jobs) returns json
language sql immutable
return json_strip_nulls(json_build_object(
  'job', job.name,
  'project', job.project,
  'status', job.status,
  'attempt', job.attempt,
  'exit_code', case when json_typeof(job.result -> 'exit_code') = 'number' and octet_length(job.result ->> 'exit_code') <= 16
    then job.result -> 'exit_code' end,
  'signal', case when json_typeof(job.result -> 'signal') = 'string' then left(job.result ->> 'signal', 32) end,
  'reason', case when json_typeof(job.result -> 'reason') = 'string' then left(job.result ->> 'reason', 32) end,
  'timed_out', case when json_typeof(job.result -> 'timed_out') = 'boolean' then job.result -> 'timed_out' end
));

comment on function sluice.command_outcome is
  'Internal. How a command ended, for the audit log: no text of the command or of its output.';

revoke all on all functions in schema sluice from public;
