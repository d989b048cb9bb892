/** What bugs of a gateway would do to a history: each changes a clean one as the bug would have, and names the rules that must find it. */
import type { Entry, EntryOf } from './history.js'
import type { Rule } from './verdict.js'

export interface PlantedBug {
  readonly name: string
  /** One of them must find it: which one may depend on the entries around the place. */
  readonly rules: readonly [Rule, ...Rule[]]
  plant(history: readonly Entry[]): Entry[]
}

/** The first entries of a client: 0 and 2 follow streams without a loss, 0 has no filter; 1 has a filter; 4 has grants; 2 has seen a loss. */
const [ALL, FILTERED, LOSS, GRANTED] = ['c0', 'c1', 'c2', 'c4'] as const

/** Follows a stream with an end. */
const JOB_CLIENT = 'c3'
/** Longer after the last fault than it explains anything. */
export const LATER_MS = 100_000

export const PLANTED_BUGS: readonly PlantedBug[] = [
  change('sequence cursor: a late commit is passed over', ['gap', 'cursor-ahead'], h =>
    without(h, [frames(h, ALL)[20]]),
  ),
  change('events in the order of now() and not of their commits', ['reordered', 'gap'], h =>
    swapped(h, frames(h, ALL)[20], frames(h, ALL)[21]),
  ),
  change('a lost wake, and no poll', ['incomplete'], h =>
    without(
      h,
      after(h, frames(h, ALL).at(-4)).filter(each => isOf(each, ALL)),
    ),
  ),
  change('off by one at the edge of the recent frames: the oldest one is repeated', ['doubled'], h =>
    inserted(h, frames(h, ALL)[30], frames(h, ALL)[30]),
  ),
  change(
    'off by one at the edge of the recent frames: the first one after a reconnect is skipped',
    ['gap', 'cursor-ahead'],
    h => without(h, [firstAfterReconnect(h)]),
  ),
  change('the hand-over from catching up to live sends a batch twice', ['doubled'], h =>
    inserted(h, frames(h, ALL)[22], ...frames(h, ALL).slice(20, 23)),
  ),
  change('a drain is swallowed: the client waits for ever', ['incomplete'], h =>
    without(
      h,
      after(h, frames(h, FILTERED)[5]).filter(each => isOf(each, FILTERED)),
    ),
  ),
  change(
    'streams are locked in no order, so a publisher is the victim of a deadlock',
    ['publish-failed'],
    h => inserted(h, outcomes(h)[3], ...publish('dead', 'failed', '40P01')),
  ),
  change('a heartbeat is ahead of the cursor', ['cursor-ahead'], h =>
    inserted(h, frames(h, ALL)[20], noticeAt(frames(h, ALL)[20], 'heartbeat', frames(h, ALL)[21]?.id)),
  ),
  change('a heartbeat is behind the cursor', ['cursor-behind'], h =>
    inserted(h, frames(h, ALL)[20], noticeAt(frames(h, ALL)[20], 'heartbeat', frames(h, ALL)[10]?.id)),
  ),
  change('the head is checked by its number only', ['silent-loss'], h => without(h, resets(h, LOSS))),
  change('stale recent frames after a lost tail', ['silent-loss'], h =>
    inserted(h, resets(h, LOSS)[0], ...frames(h, LOSS).filter(({ id }) => lostIds(h).has(id))),
  ),
  change('a refusal has no cursor', ['cursor-missing'], h =>
    changed(h, h.find(isRefusalWithId), ({ id: _, ...rest }) => rest),
  ),
  change('a reset has no cursor', ['cursor-missing'], h =>
    changed(h, resets(h, LOSS)[0], ({ id: _, ...rest }) => rest),
  ),
  change('a notice has the id of no event', ['cursor-unknown'], h =>
    inserted(h, frames(h, ALL)[20], noticeAt(frames(h, ALL)[20], 'heartbeat', '9999.zzzzzz')),
  ),
  change('a page is cut in the middle of an event', ['bytes'], h =>
    changed(h, frames(h, ALL)[20], frame => ({ ...frame, h: 'ffffffffffff' })),
  ),
  change('two clients of different workspaces share a payload', ['isolation'], h =>
    changed(h, frames(h, ALL)[20], frame => foreign(h, frame)),
  ),
  change('grants are checked by the name of the stream only', ['isolation'], h =>
    inserted(h, frames(h, GRANTED)[3], hiddenFrom(h, GRANTED)),
  ),
  change('a fan-out group is shared by two filters', ['filter'], h =>
    inserted(h, frames(h, FILTERED)[3], hiddenFrom(h, FILTERED)),
  ),
  change('an event is invented: a CR in its data began another one', ['unstored'], h =>
    changed(h, frames(h, ALL)[20], frame => ({ ...frame, id: '21.zzzzzz', h: '0123456789ab' })),
  ),
  change('acknowledged before COMMIT, and the COMMIT failed', ['acknowledged-lost'], h =>
    inserted(h, outcomes(h)[3], ...publish('early', 'acknowledged')),
  ),
  change('a transaction that was rolled back is delivered', ['undone-stored'], h =>
    changed(h, storedOutcome(h), each => ({ ...each, outcome: 'failed', why: 'rolled back' })),
  ),
  change('a rollback to a savepoint keeps the event', ['undone-stored'], h =>
    changed(h, storedOutcome(h), each => ({ ...each, undone: marksOf(h, each).slice(0, 1) })),
  ),
  change('a retry is stored twice', ['stored-twice'], h =>
    changed(h, rows(h)[8], row => ({ ...row, mark: rows(h)[7]?.mark })),
  ),
  change('a part of a transaction is stored', ['half-stored'], h =>
    changed(h, largeRow(h), ({ mark: _, ...row }) => row),
  ),
  change('the events of a transaction change places', ['not-adjacent'], h => swappedMarks(h, largeRow(h))),
  change('a request that began after an answer is stored before it', ['acknowledged-order'], beganLate),
  change('an event goes to another stream', ['wrong-stream'], h =>
    changed(h, startOf(h, storedOutcome(h)), each => ({
      ...each,
      events: each.events.map(event => ({ ...event, stream: 'globex/other' })),
    })),
  ),
  change('an event that no publisher has sent', ['never-published'], h =>
    changed(h, rows(h)[8], row => ({ ...row, mark: 'strange' })),
  ),
  change('a client gets a reset for nothing', ['reset-untrue'], h =>
    inserted(h, frames(h, LOSS)[10], {
      ...noticeAt(frames(h, LOSS)[10], 'reset', frames(h, LOSS)[10]?.id),
      reason: 'history-lost',
    }),
  ),
  change('a reset without a fault', ['reset-uncaused'], h =>
    without(
      h,
      h.filter(each => each.k === 'fault' && each.fault === 'lost-tail'),
    ),
  ),
  change('a retention reset without retention', ['reset-uncaused', 'reset-untrue'], h =>
    inserted(h, frames(h, ALL)[10], {
      ...noticeAt(frames(h, ALL)[10], 'reset', frames(h, ALL)[10]?.id),
      reason: 'retention',
    }),
  ),
  change('a job ends twice', ['terminal'], h =>
    changed(h, rows(h, 'acme/job:1')[3], row => ({ ...row, type: 'job.failed' })),
  ),
  change('a job never ends', ['terminal'], h =>
    changed(h, rows(h, 'acme/job:1')[4], row => ({ ...row, type: 'output' })),
  ),
  change('a stream that has ended stays open', ['ending'], h => without(h, [lastClose(h)])),
  change('the end of the response after the last event is cut', ['ending'], h =>
    changed(h, lastClose(h), close => ({ ...close, t: close.t + LATER_MS, by: 'broken' })),
  ),
  change('a response ends before the end of its stream', ['ending'], h =>
    changed(without(h, afterFrame(h, -2)), lastClose(h), close => ({
      ...close,
      t: close.t + LATER_MS,
    })),
  ),
  change('a gateway says that a stream is over, which is not', ['ending'], h =>
    changed(h, statusOf(h, JOB_CLIENT), each => ({ ...each, status: 204 })),
  ),
  change('the log has a gap', ['table-gap'], h => without(h, [rows(h)[8]])),
  change('an error of the gateway', ['status'], h =>
    changed(h, h.find(isStatus), each => ({ ...each, status: 500 })),
  ),
  change('a response goes on after its end', ['connection'], h =>
    moved(
      h,
      frames(h, ALL)[20],
      h.find(
        each =>
          each.k === 'close' && each.c === ALL && h.indexOf(each) > h.indexOf(frames(h, ALL)[20] as Entry),
      ),
    ),
  ),
  change('memory is not given back', ['bound'], h =>
    changed(h, h.findLast(isSample), each => ({ ...each, measures: { ...each.measures, rss: 200 } })),
  ),
  change('memory is without a bound', ['bound'], h =>
    changed(h, h.find(isSample), each => ({ ...each, measures: { ...each.measures, rss: 2_000 } })),
  ),
  change('a socket is left open', ['bound'], h =>
    changed(h, h.findLast(isSample), each => ({ ...each, measures: { ...each.measures, sockets: 4 } })),
  ),
  change('the nemesis forgets a fault', ['fault-missing'], h =>
    without(
      h,
      h.filter(each => (each.k === 'fault' || each.k === 'healed') && each.fault === 'gateway-killed'),
    ),
  ),
]

export function change(name: string, rules: PlantedBug['rules'], plant: PlantedBug['plant']): PlantedBug {
  return { name, rules, plant }
}

export function isOf(entry: Entry, client: string): boolean {
  return 'c' in entry && entry.c === client
}

export function frames(history: readonly Entry[], client: string): EntryOf<'frame'>[] {
  return history.filter((each): each is EntryOf<'frame'> => each.k === 'frame' && each.c === client)
}

export function rows(history: readonly Entry[], stream = 'acme/feed'): EntryOf<'row'>[] {
  return history.filter((each): each is EntryOf<'row'> => each.k === 'row' && each.stream === stream)
}

function outcomes(history: readonly Entry[]): EntryOf<'outcome'>[] {
  return history.filter((each): each is EntryOf<'outcome'> => each.k === 'outcome')
}

export function resets(history: readonly Entry[], client: string): EntryOf<'notice'>[] {
  return history.filter(
    (each): each is EntryOf<'notice'> => each.k === 'notice' && each.name === 'reset' && each.c === client,
  )
}

function isStatus(entry: Entry): entry is EntryOf<'status'> {
  return entry.k === 'status' && entry.status === 200
}

/** All that the client of the stream with an end got after one of its events. */
function afterFrame(history: readonly Entry[], place: number): Entry[] {
  const got = after(history, frames(history, JOB_CLIENT).at(place))
  return got.filter(each => isOf(each, JOB_CLIENT) && each.k !== 'close')
}

function lastClose(history: readonly Entry[]): EntryOf<'close'> | undefined {
  return history.findLast((each): each is EntryOf<'close'> => each.k === 'close' && each.c === JOB_CLIENT)
}

export function statusOf(history: readonly Entry[], client: string): EntryOf<'status'> | undefined {
  return history.find((each): each is EntryOf<'status'> => isStatus(each) && each.c === client)
}

function isSample(entry: Entry): entry is EntryOf<'sample'> {
  return entry.k === 'sample'
}

function isRefusalWithId(entry: Entry): entry is EntryOf<'notice'> {
  return entry.k === 'notice' && entry.name === 'unavailable' && entry.id !== undefined
}

export function lostIds(history: readonly Entry[]): Set<string> {
  return new Set(history.flatMap(each => (each.k === 'row' && each.lost ? [each.id] : [])))
}

/** An outcome whose events, all of one stream without a loss, are in the table. */
function storedOutcome(history: readonly Entry[]): EntryOf<'outcome'> | undefined {
  const stored = new Set(rows(history).map(({ mark }) => mark))
  return outcomes(history).find(
    each =>
      each.outcome === 'acknowledged' &&
      !each.undone &&
      marksOf(history, each).every(mark => stored.has(mark)),
  )
}

function startOf(
  history: readonly Entry[],
  outcome: EntryOf<'outcome'> | undefined,
): EntryOf<'started'> | undefined {
  return history.find(
    (each): each is EntryOf<'started'> => each.k === 'started' && each.publish === outcome?.publish,
  )
}

export function marksOf(history: readonly Entry[], outcome: EntryOf<'outcome'>): string[] {
  return startOf(history, outcome)?.events.map(({ mark }) => mark) ?? []
}

/** A row of a transaction with another row in the same stream after it. */
export function largeRow(history: readonly Entry[]): EntryOf<'row'> | undefined {
  return rows(history).find((row, index, all) => {
    const [one, other] = [row.mark, all[index + 1]?.mark].map(mark => mark?.replace(/\d+$/, ''))
    return one !== undefined && one === other
  })
}

function firstAfterReconnect(history: readonly Entry[]): EntryOf<'frame'> | undefined {
  return frames(history, ALL).find((frame, index, all) => index > 0 && frame.n > (all[index - 1]?.n ?? 0))
}

function swappedMarks(history: readonly Entry[], row: EntryOf<'row'> | undefined): Entry[] {
  const all = rows(history)
  const next = all[row ? all.indexOf(row) + 1 : -1]
  const half = changed(history, row, each => ({ ...each, mark: next?.mark }))
  return changed(half, next, each => ({ ...each, mark: row?.mark }))
}

/** Two publishes of one event each, one after the other: the first one claims to have begun after the answer to the second. */
function beganLate(history: readonly Entry[]): Entry[] {
  const all = rows(history)
  const outcomeOf = (row: EntryOf<'row'> | undefined) =>
    outcomes(history).find(
      each => each.outcome === 'acknowledged' && row?.mark?.startsWith(`${each.publish}-`),
    )
  const first = all.find((row, index) => {
    const [one, other] = [outcomeOf(row), outcomeOf(all[index + 1])]
    return one && other && one !== other
  })
  const second = outcomeOf(all[first ? all.indexOf(first) + 1 : -1])
  return changed(history, startOf(history, outcomeOf(first)), each => ({
    ...each,
    t: (second?.t ?? 0) + 0.5,
  }))
}

function publish(name: string, outcome: EntryOf<'outcome'>['outcome'], why?: string): Entry[] {
  const events = [{ stream: 'acme/feed', mark: `${name}-0` }]
  return [
    { k: 'started', t: 1, publish: name, events },
    { k: 'outcome', t: 2, publish: name, outcome, ...(why && { why }) },
  ]
}

export function noticeAt(frame: EntryOf<'frame'> | undefined, name: string, id = ''): EntryOf<'notice'> {
  return { k: 'notice', t: frame?.t ?? 0, c: frame?.c ?? '', n: frame?.n ?? 0, name, id }
}

function foreign(history: readonly Entry[], frame: EntryOf<'frame'>): EntryOf<'frame'> {
  const row = rows(history, 'globex/feed')[20]
  return { ...frame, id: row?.id ?? '', type: row?.type ?? '', h: row?.h.sse ?? '' }
}

/** The next event after the fourth one that a client received, which its filter or its grants hide. */
function hiddenFrom(history: readonly Entry[], client: string): EntryOf<'frame'> {
  const own = frames(history, client)
  const declared = history.find(
    (each): each is EntryOf<'client'> => each.k === 'client' && each.client === client,
  )
  const place = Number.parseInt(own[3]?.id ?? '', 10)
  const shown = new Set(own.map(({ id }) => id))
  const row = rows(history, declared?.stream).find(
    each => Number.parseInt(each.id, 10) > place && !shown.has(each.id),
  )
  const { t = 0, n = 0 } = own[3] ?? {}
  return {
    k: 'frame',
    t,
    c: client,
    n,
    id: row?.id ?? '',
    type: row?.type ?? '',
    h: row?.h[declared?.form ?? ''] ?? '',
  }
}

export function without(history: readonly Entry[], gone: readonly (Entry | undefined)[]): Entry[] {
  const removed = new Set(gone)
  if (gone.length === 0 || removed.has(undefined)) throw new Error('There is nothing to remove.')
  return history.filter(each => !removed.has(each))
}

function after(history: readonly Entry[], entry: Entry | undefined): Entry[] {
  return entry ? history.slice(history.indexOf(entry) + 1) : []
}

export function inserted(
  history: readonly Entry[],
  at: Entry | undefined,
  ...added: (Entry | undefined)[]
): Entry[] {
  const new_ = added.flatMap(each => each ?? [])
  if (!at || new_.length === 0) throw new Error('There is nothing to insert.')
  return [...history.slice(0, history.indexOf(at) + 1), ...new_, ...after(history, at)]
}

export function changed<E extends Entry>(
  history: readonly Entry[],
  entry: E | undefined,
  to: (entry: E) => object,
): Entry[] {
  if (!entry) throw new Error('There is nothing to change.')
  return history.map(each => (each === entry ? (to(entry) as Entry) : each))
}

export function swapped(
  history: readonly Entry[],
  one: Entry | undefined,
  other: Entry | undefined,
): Entry[] {
  if (!one || !other) throw new Error('There is nothing to swap.')
  return history.map(each => (each === one ? other : each === other ? one : each))
}

/** Puts an entry behind another one. */
function moved(history: readonly Entry[], entry: Entry | undefined, behind: Entry | undefined): Entry[] {
  return inserted(without(history, [entry]), behind, entry)
}
