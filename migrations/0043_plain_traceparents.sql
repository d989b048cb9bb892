-- Up Migration

-- Checks a traceparent with patterns that cost little. The one before made the append of an event with a trace twice as expensive.

create or replace function sluice.checked_traceparent(given text) returns text
language sql immutable
return case
  -- No trace and no parent have the number 0.
  when given like '___00000000000000000000000000000000-%'
    or given like '____________________________________0000000000000000-%' then null
  -- LIKE finds three hyphens in their places, and the regular expression finds no others, whatever the lengths of its parts.
  when given like '00-________________________________-________________-__'
    and given ~ '^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$'
  then given
  -- Of a later version only these fields are known.
  when given like '__-________________________________-________________-__%'
    and left(given, 55) ~ '^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$'
    and left(given, 2) not in ('00', 'ff') and substr(given, 56, 1) in ('', '-')
  then '00' || substr(given, 3, 53)
end;
