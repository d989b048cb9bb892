-- The path of a key has at most 16 names, as many as a path in a condition on the data: each is such a path, too.
create or replace function sluice.is_key_path(path text) returns boolean
language sql immutable
return path ~ '^data(\.[A-Za-z0-9_-]+){1,16}$' and octet_length(path) <= 256;

comment on function sluice.is_key_path is 'Whether this is the path of a key: data and 1 to 16 names, such as data.id.';
