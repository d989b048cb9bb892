-- Up Migration

-- Retention by options finds the streams that are due by their indexes behind row-level security, too, on every version of PostgreSQL.

create or replace function sluice.retain_own(
  keep interval, at_most int, inout after_workspace text, inout after_name text,
  out removed bigint, out busy bigint[], out more boolean
)
language plpgsql security definer
as $$
#variable_conflict use_column
declare
  most_streams constant int := 200;
  begun timestamptz := clock_timestamp();
  cutoff timestamptz := begun - keep;
  seen int := 0;
  due bigint[];
  target record;
  stream record;
begin
  removed := 0;
  busy := '{}';
  due := array(
    select s.id from sluice.streams s
    where (s.own_age or s.own_number) and s.look_at <= begun order by s.look_at limit most_streams
  );
  -- A statement for each workspace: behind row-level security, only a comparison with a parameter uses the index.
  for target in
    select w.workspace, begun - make_interval(secs => (w.options ->> 'max_age_seconds')::float8) as cutoff,
      w.options ? 'max_events' as counts, w.options ?| array['max_age_seconds', 'max_events'] as decides
    from sluice.workspaces w order by w.workspace
  loop
    exit when cardinality(due) >= most_streams;
    if target.cutoff is not null then
      due := due || array(
        select s.id from sluice.streams s
        where s.workspace = target.workspace and s.kind = 'feed' and not s.own_age and s.oldest_at < target.cutoff
        order by s.oldest_at limit most_streams
      );
    end if;
    if target.counts then
      due := due || array(
        select s.id from sluice.streams s
        where s.workspace = target.workspace and s.kind = 'feed' and not s.own_number and s.look_at <= begun
        order by s.look_at limit most_streams
      );
    end if;
    -- Marked streams of a workspace that has no option of retention any more.
    if not target.decides then
      due := due || array(
        select s.id from sluice.streams s
        where s.workspace = target.workspace and s.own_retention and not s.own_age and not s.own_number
        order by s.name limit most_streams
      );
    end if;
  end loop;
  for stream in select distinct d.id from unnest(due) as d (id) limit most_streams
  loop
    -- Skips a stream that an append has locked, perhaps for long. retain_stream handles it later.
    perform from sluice.streams s where s.id = stream.id for update skip locked;
    if not found then
      busy := busy || stream.id;
      continue;
    end if;
    seen := seen + 1;
    removed := removed + sluice.retain_locked(stream.id, cutoff, at_most - removed);
    exit when removed >= at_most;
  end loop;
  delete from sluice.workspaces w
  where w.options = '{}' and (
    select s.id from sluice.streams s
    where s.workspace = w.workspace and s.own_retention and not s.own_age and not s.own_number limit 1
  ) is null;
  more := removed >= at_most or seen > 0 and seen + cardinality(busy) >= most_streams;
end
$$;

revoke all on all functions in schema sluice from public;
