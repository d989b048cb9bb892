-- The wire has one name more, so no new event may have it. Events of that type that are stored stay as they are.

create or replace function sluice.reserved_types() returns text[]
language sql immutable
return array[
  'open', 'error', 'message', 'heartbeat', 'reset', 'unavailable', 'server.state', 'auth-expired', 'auth-renewed', 'auth-revoked',
  'cursor'
];
