/**
 * Checks of the log itself, with index probes over a bounded part of it: positions without gaps, the oldest event where the stream's
 * base says, times that never decrease; and whether retention makes progress and the options of streams have an effect.
 */
import type { DatabaseProbe } from './database-probe.js'
import { durationOf } from './duration.js'
import { type Finding, fault, ok, warning } from './finding.js'

/** The number of oldest streams, and of newest ones, that are checked. */
const STREAMS_AT_EACH_END = 50
/** The number of newest events of each stream that are checked. */
const NEWEST_EVENTS = 200
/** A sweep runs once an hour; a stream with `max_events` that was idle is looked at after up to a day. */
const SWEEP_SLACK_S = 26 * 3_600
const SHOWN = 3

export interface BrokenStream {
  readonly workspace: string
  readonly name: string
  readonly base: number
  readonly first: number
  readonly head: number
  /** The events from `low` to the head that exist. */
  readonly counted: number
  readonly low: number
  readonly goesBack: boolean
}

export async function checkDensity(probe: DatabaseProbe): Promise<Finding> {
  const { streams } = await probe.row<{ streams: number }>(
    `select count(*)::int as streams from (select from sluice.streams s limit ${2 * STREAMS_AT_EACH_END}) s`,
  )
  return judgeDensity(await probe.rows<BrokenStream>(DENSITY, [STREAMS_AT_EACH_END, NEWEST_EVENTS]), streams)
}

/** The streams whose stored events break an invariant. One statement, so one snapshot: retention may run meanwhile. */
const DENSITY = `
  with chosen as (
    (select s.id, s.workspace, s.name, s.base_position from sluice.streams s order by s.id limit $1)
    union
    (select s.id, s.workspace, s.name, s.base_position from sluice.streams s order by s.id desc limit $1))
  select c.workspace, c.name, c.base_position as base, oldest.position as first, newest.head, newest.counted, newest.low,
         coalesce(newest.back, false) as "goesBack"
    from chosen c
    cross join lateral (
      select e.position from sluice.events e where e.stream_id = c.id order by e.position limit 1) oldest
    cross join lateral (
      select count(*)::int as counted, min(n.position) as low, max(n.position) as head, bool_or(n.at < n.before) as back
        from (select p.position, p.at, lag(p.at) over (order by p.position) as before
                from (select e.position, e.at from sluice.events e where e.stream_id = c.id
                       order by e.position desc limit $2) p) n) newest
   where oldest.position <> c.base_position + 1 or newest.head - newest.low + 1 <> newest.counted or newest.back
   order by c.id limit 20`

function judgeDensity(broken: readonly BrokenStream[], streams: number): Finding {
  const check = 'log-density'
  const bounds = `the newest ${NEWEST_EVENTS} events and the oldest one of ${streams < 2 * STREAMS_AT_EACH_END ? 'each stream' : `${streams} streams, the newest and the oldest ones`}`
  const [worst] = broken
  if (worst === undefined) {
    return ok(
      check,
      `Positions are dense and times in order in ${bounds}${streams === 0 ? ' (there are none yet)' : ''}.`,
    )
  }
  const names = broken.slice(0, SHOWN).map(({ workspace, name }) => `${name} of ${workspace}`)
  const more = broken.length > SHOWN ? `, and ${broken.length - SHOWN} more` : ''
  return fault(
    check,
    `The events of ${names.join(', ')}${more} are not as they were committed: ${reasonOf(worst)}. Doctor has looked at ${bounds}.`,
    'Find out what changed sluice.events besides Sluice (a restore in part, damage, a statement by hand), and restore the database from a backup.',
  )
}

function reasonOf({ base, first, head, counted, low, goesBack }: BrokenStream): string {
  if (first !== base + 1) return `the oldest event is at ${first}, but retention ended at ${base}`
  if (head - low + 1 !== counted)
    return `between ${low} and ${head} there are ${counted} events instead of ${head - low + 1}`
  return goesBack
    ? `between ${low} and ${head} an event is older than the one before it`
    : 'it changed meanwhile'
}

export interface RetentionFacts {
  /** Streams whose oldest event should have been removed a day ago: the first ones, with how late retention is. */
  readonly late: readonly { readonly workspace: string; readonly name: string; readonly seconds: number }[]
}

/** @param days RETENTION_DAYS of the gateways; 0: for ever. */
export async function checkRetention(probe: DatabaseProbe, days: number): Promise<Finding[]> {
  // As the sweep finds them: by the age of the oldest event, and by the time at which retention wanted to look again.
  const late = await probe.rows<RetentionFacts['late'][number]>(
    `(select s.workspace, s.name, extract(epoch from clock_timestamp() - s.oldest_at - make_interval(secs => $1))::float8 as seconds
        from sluice.streams s
       where $1 > 0 and s.kind = 'feed' and not s.own_retention and s.oldest_at < clock_timestamp() - make_interval(secs => $1 + $2)
       order by s.oldest_at limit 20)
     union all
     (select s.workspace, s.name, extract(epoch from clock_timestamp() - s.look_at)::float8
        from sluice.streams s
       where (s.own_age or s.own_number) and s.look_at > '-infinity' and s.look_at < clock_timestamp() - make_interval(secs => $2)
       order by s.look_at limit 20)`,
    [days * 86_400, SWEEP_SLACK_S],
  )
  return [judgeRetention({ late }, days), judgeOptions(await probe.rows<IdleOption>(IDLE_OPTIONS))]
}

function judgeRetention({ late }: RetentionFacts, days: number): Finding {
  const check = 'log-retention'
  const [worst] = [...late].sort((a, b) => b.seconds - a.seconds)
  if (worst === undefined) {
    return ok(
      check,
      days > 0
        ? `Retention keeps up: no stream has events that are due for removal for more than a day (RETENTION_DAYS ${days}).`
        : 'RETENTION_DAYS is 0: events are kept for ever, except where options say otherwise.',
    )
  }
  return warning(
    check,
    `Retention does not progress: ${late.length === 20 ? 'at least 20' : late.length} ${late.length === 1 ? 'stream is' : 'streams are'} due, ${worst.name} of ${worst.workspace} for ${durationOf(worst.seconds)}.`,
    'Check that a gateway runs (it sweeps once an hour), that its RETENTION_DAYS is the one that doctor sees, and that no transaction keeps the stream locked.',
  )
}

export interface IdleOption {
  readonly workspace: string
  /** Null: an option of the workspace. */
  readonly name: string | null
  readonly option: string
}

/** Options that remove nothing: a key that no event has, a time without a key, an option of a workspace without streams. */
const IDLE_OPTIONS = `
  (select s.workspace, s.name, 'compact_key ' || c.key_path as option
     from sluice.compactions c join sluice.streams s on s.id = c.stream_id
    where c.indexed_to > 0 and not exists (select from sluice.latest l where l.stream_id = c.stream_id)
    order by c.stream_id limit 5)
  union all
  (select s.workspace, s.name, 'compact_after_seconds' from sluice.streams s
    where s.options ? 'compact_after_seconds' and not s.options ? 'compact_key' order by s.id limit 5)
  union all
  (select w.workspace, null, 'max_age_seconds or max_events' from sluice.workspaces w
    where w.options ?| array['max_age_seconds', 'max_events']
      and not exists (select from sluice.streams s where s.workspace = w.workspace) order by w.workspace limit 5)`

function judgeOptions(idle: readonly IdleOption[]): Finding {
  const check = 'log-options'
  const [first] = idle
  if (first === undefined) return ok(check, 'Every option of a stream or a workspace concerns something.')
  const place =
    first.name === null
      ? `the workspace ${first.workspace}, which has no streams`
      : `the stream ${first.name} of ${first.workspace}`
  const more = idle.length > 1 ? ` ${idle.length - 1} more options do nothing.` : ''
  const why = first.option.startsWith('compact_key')
    ? 'no event has a value at this path'
    : first.option === 'compact_after_seconds'
      ? 'it needs compact_key'
      : 'nothing is there'
  return warning(
    check,
    `The option ${first.option} of ${place} removes nothing: ${why}.${more}`,
    'Correct it, or remove it by setting it to null (PATCH /api/streams/:name, PATCH /api/workspace).',
  )
}
