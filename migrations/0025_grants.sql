-- Up Migration

-- Grants of API keys and stream tickets: the streams and types to which a caller with such a credential is limited, below its role.
--
-- Invariant: a credential that is made from another one has grants within those of the other.

alter table sluice.api_keys add column grants json check (json_typeof(grants) = 'object' and length(grants::text) <= 65536);
alter table sluice.stream_tickets add column grants json check (json_typeof(grants) = 'object');

comment on column sluice.api_keys.grants is
  'The streams and types that the key allows, as {"subscribe": […], "publish": […], "types": […]}. Null: all that its role allows.';
comment on column sluice.stream_tickets.grants is
  'The grants of the ticket, in the form of sluice.api_keys.grants; a key that has issued it limits it further. Null: no limits.';
