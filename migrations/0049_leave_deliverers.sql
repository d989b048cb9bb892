-- Up Migration

-- In PL/pgSQL, whose body is parsed when it runs: a function whose body the server parses at its creation has to come after its table
-- in schema.sql, and such functions come before all tables there.

create or replace function sluice.leave_deliverers(node uuid) returns void
language plpgsql security definer
as $$
begin
  delete from sluice.deliverers d where d.node = leave_deliverers.node;
end
$$;

revoke all on all functions in schema sluice from public;
