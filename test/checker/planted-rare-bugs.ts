/** Bugs in rare situations: as planted-bugs.ts. Most change a history of clean-histories.ts. */
import {
  END_MS,
  withChanges,
  withForger,
  withOutage,
  withOvertaken,
  withProxyStatus,
  withRecreated,
  withSamples,
  withTwoWritable,
} from './clean-histories.js'
import { withLostPlaces, withOtherJobs, withOtherWebhooks } from './clean-work-histories.js'
import type { Entry } from './history.js'
import {
  change,
  changed,
  frames,
  inserted,
  isOf,
  LATER_MS,
  largeRow,
  lostIds,
  marksOf,
  noticeAt,
  type PlantedBug,
  resets,
  rows,
  statusOf,
  swapped,
  without,
} from './planted-bugs.js'
import { lostFrame, of } from './planted-work-bugs.js'

const ALL = 'c0'
const LOSS = 'c2'

export const PLANTED_RARE_BUGS: readonly PlantedBug[] = [
  change('a connection opens twice', ['connection'], h =>
    inserted(
      h,
      frames(h, ALL)[20],
      of(h, 'open').find(each => each.c === ALL),
    ),
  ),
  change('events come over a response that was refused', ['connection'], h =>
    changed(h, statusOf(h, ALL), each => ({ ...each, status: 503 })),
  ),
  change('an event comes over a connection that is not open', ['connection'], h =>
    changed(h, frames(h, ALL)[20], each => ({ ...each, n: each.n + 1 })),
  ),
  change('a client gets nothing', ['incomplete'], h =>
    h.filter(each => !isOf(each, ALL) || (each.k !== 'frame' && each.k !== 'notice')),
  ),
  change('an event that was lost later comes twice', ['doubled'], h =>
    inserted(h, lostFrame(h, 0), lostFrame(h, 0)),
  ),
  change('an event before the lost ones is passed over', ['gap', 'cursor-ahead'], h => {
    const own = frames(h, LOSS)
    return without(h, [own[own.findIndex(({ id }) => lostIds(h).has(id)) - 1]])
  }),
  change('a client keeps a lost event, and hears nothing more', ['silent-loss'], h => {
    const [reset] = resets(h, LOSS)
    return without(
      h,
      h.filter(
        each => isOf(each, LOSS) && each.k !== 'client' && h.indexOf(each) >= h.indexOf(reset as Entry),
      ),
    )
  }),
  change('the first cursor is behind the beginning', ['gap'], h => {
    const id = frames(h, ALL)[4]?.id
    const first = of(h, 'notice').find(each => each.c === ALL && each.id !== undefined)
    return changed(without(h, frames(h, ALL).slice(0, 5)), first, each => ({ ...each, id }))
  }),
  change('a reset goes to no event', ['cursor-unknown'], h =>
    changed(h, resets(h, LOSS)[0], each => ({ ...each, id: '9999.zzzzzz' })),
  ),
  change('a client with a good id gets a reset as one with a forged id', ['reset-untrue'], h =>
    withForger(h).map(each =>
      each.k === 'open' && each.c === 'forger' ? { ...each, id: rows(h)[3]?.id ?? '' } : each,
    ),
  ),
  change('a client gets a reset by a retention that has not reached it', ['reset-untrue'], h =>
    withOvertaken(h).map(each =>
      each.k === 'fault' && each.fault === 'retention' ? { ...each, base: rows(h)[0]?.id ?? '' } : each,
    ),
  ),
  change('a reset long after two servers were writable', ['reset-untrue'], h =>
    withTwoWritable(h).map(each =>
      each.k === 'notice' && each.c === 'moved' && each.name === 'reset'
        ? { ...each, t: END_MS + LATER_MS }
        : each,
    ),
  ),
  change('redacted data comes long after its redaction', ['bytes'], h => {
    const late = frames(h, ALL)[8]
    return withChanges(changed(h, late, each => ({ ...each, t: END_MS + LATER_MS })))
  }),
  change('a status of a proxy without a fault of one', ['status'], h =>
    renamed(withProxyStatus(h), 'nginx-reloaded', 'listener-terminated'),
  ),
  change('credentials are refused that nobody has revoked', ['status'], h =>
    renamed(withProxyStatus(h), 'revoked', 'listener-terminated'),
  ),
  change('a stream is not found that nobody has deleted', ['status'], h =>
    changed(h, of(h, 'status').at(-1), each => ({ ...each, status: 404 })),
  ),
  change('a stream ends as unavailable for nothing', ['status'], h => {
    const last = frames(h, ALL).at(-1)
    const notice = { ...noticeAt(last, 'unavailable', last?.id), t: END_MS, reason: 'limit' }
    return inserted(h, last, notice)
  }),
  change('a publish fails as in an outage that was not', ['publish-failed'], h =>
    withOutage(h)
      .filter(each => each.k !== 'fault' || each.fault !== 'postgres-stopped')
      .filter(each => each.k !== 'healed' || each.fault !== 'postgres-stopped'),
  ),
  change('a deadlock during an outage', ['publish-failed'], h =>
    withOutage(h).map(each =>
      each.k === 'outcome' && each.publish === 'refused' ? { ...each, why: '40P01' } : each,
    ),
  ),
  change('a publish is refused as wrong', ['publish-failed'], h =>
    withOutage(h).map(each =>
      each.k === 'outcome' && each.publish === 'busy' ? { ...each, why: '400' } : each,
    ),
  ),
  change('another stream than the recreated one loses an event', ['acknowledged-lost'], h =>
    withRecreated(h).map(each =>
      each.k === 'fault' && each.fault === 'recreated' ? { ...each, stream: 'acme/other' } : each,
    ),
  ),
  change('an event is lost that was acknowledged after the stream was recreated', ['acknowledged-lost'], h =>
    withRecreated(h).map(each =>
      each.k === 'outcome' && each.publish === 'anew' ? { ...each, t: END_MS + LATER_MS } : each,
    ),
  ),
  change('a part of a transaction with an unknown outcome is stored', ['half-stored'], h => {
    const row = largeRow(h)
    const unknown = h.map(each =>
      each.k === 'outcome' && marksOf(h, each).includes(row?.mark ?? '')
        ? { ...each, outcome: 'unknown' as const }
        : each,
    )
    return changed(unknown, row, ({ mark: _, ...each }) => each)
  }),
  change('what a savepoint took back is stored, and the outcome is unknown', ['undone-stored'], h => {
    const row = largeRow(h)
    return h.map(each =>
      each.k === 'outcome' && marksOf(h, each).includes(row?.mark ?? '')
        ? { ...each, outcome: 'unknown' as const, undone: [row?.mark ?? ''] }
        : each,
    )
  }),
  change('the table has a position twice', ['table-gap'], h =>
    inserted(h, rows(h)[8], { ...rows(h)[8], id: '9.zzzzzz' } as Entry),
  ),
  change('a job goes on after its end', ['terminal'], h => {
    const [, , , line, end] = rows(h, 'acme/job:1')
    const ended = changed(h, line, each => ({ ...each, type: 'job.completed' }))
    return changed(ended, end, each => ({ ...each, type: 'output' }))
  }),
  change('a late process uses more than any may', ['bound'], h =>
    withSamples(h).map(each =>
      each.k === 'sample' && each.process === 'late' ? { ...each, measures: { rss: 513 } } : each,
    ),
  ),
  change('a consumer acknowledges what it never handed out', ['gap'], h =>
    without(h, of(h, 'handed').slice(5, 10)),
  ),
  change('the cursor of a consumer stays behind', ['incomplete'], h => without(h, [of(h, 'cursor').at(-1)])),
  change('a consumer hands out what its filter leaves out', ['filter'], h =>
    changed(h, of(h, 'consumer')[0], each => ({ ...each, types: ['note'] })),
  ),
  change('a consumer hands out an event of another history', ['unstored'], h =>
    changed(h, of(h, 'handed')[6], each => ({ ...each, id: '7.zzzzzz' })),
  ),
  change('a consumer hands out other bytes of an event that was lost later', ['bytes'], h =>
    withLostPlaces(h).map(each =>
      each.k === 'handed' && lostIds(h).has(each.id) ? { ...each, h: 'ffffffffffff' } : each,
    ),
  ),
  change('a consumer has two holders, and no tail was lost', ['two-holders'], h =>
    renamed(withLostPlaces(h), 'lost-tail', 'listener-terminated'),
  ),
  change('an acknowledgement counts that came from an older epoch', ['fenced'], h =>
    withLostPlaces(h).map(each =>
      each.k === 'acked' && each.status === 409 ? { ...each, status: 200 } : each,
    ),
  ),
  change('a webhook is sent to another place for nothing', ['reset-uncaused'], h =>
    renamed(withOtherWebhooks(h), 'retention', 'listener-terminated'),
  ),
  change('a webhook gives up what its receiver does not accept', ['incomplete'], h => {
    const all = withOtherWebhooks(h)
    const hopeless = of(all, 'webhook').find(({ mayLack }) => mayLack)
    return changed(all, hopeless, ({ mayLack: _, ...each }) => each)
  }),
  change('a webhook sends what its filter leaves out', ['filter'], h =>
    changed(h, of(h, 'webhook')[0], each => ({ ...each, types: ['note'] })),
  ),
  change('an ordered webhook sends as a parallel one', ['webhook-order'], h =>
    withOtherWebhooks(h).map(each =>
      each.k === 'webhook' && !each.isOrdered ? { ...each, isOrdered: true } : each,
    ),
  ),
  change('an attempt begins although the one before has not ended', ['job-states'], h =>
    withOtherJobs(h).map(each =>
      each.k === 'row' && each.type === 'job.requeued' ? { ...each, type: 'output' } : each,
    ),
  ),
  change('a runner tells a line of a job that it has lost', ['job-states'], h => {
    const all = withOtherJobs(h)
    const [, , line, requeued] = rows(all, 'acme/job:7')
    const ids = { line: line?.id ?? '', requeued: requeued?.id ?? '' }
    return swapped(all, line, requeued).map(each =>
      each === line
        ? { ...line, id: ids.requeued }
        : each === requeued
          ? { ...requeued, id: ids.line }
          : each,
    )
  }),
  change('lines of an attempt stand in another one', ['job-holder'], h =>
    withOtherJobs(h).map(each =>
      each.k === 'job' && each.did === 'told' && each.runner === 'one' ? { ...each, count: 2 } : each,
    ),
  ),
  change('a job is lost with a tail of another stream', ['job-states'], h =>
    withOtherJobs(h).map(each =>
      each.k === 'fault' && each.stream === 'acme/job:9' ? { ...each, stream: 'acme/feed' } : each,
    ),
  ),
]

/** Another fault in the place of one. */
function renamed(history: readonly Entry[], fault: string, other: string): Entry[] {
  return history.map(each => (each.k === 'fault' && each.fault === fault ? { ...each, fault: other } : each))
}
