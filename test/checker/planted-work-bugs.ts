/** Bugs of consumers, webhooks, jobs and of entries about faults: as planted-bugs.ts. */
import { afterRetention } from './clean-histories.js'
import type { Entry, EntryOf } from './history.js'
import {
  change,
  changed,
  frames,
  inserted,
  LATER_MS,
  largeRow,
  lostIds,
  type PlantedBug,
  resets,
  rows,
  swapped,
  without,
} from './planted-bugs.js'

const JOB = 'acme/job:1'

export const PLANTED_WORK_BUGS: readonly PlantedBug[] = [
  change('two clients get one epoch', ['two-holders'], h =>
    changed(h, of(h, 'held')[1], each => ({ ...each, epoch: 1 })),
  ),
  change('a client gets an older epoch than the one before', ['two-holders'], h =>
    changed(h, of(h, 'held')[1], each => ({ ...each, epoch: 0 })),
  ),
  change('the holder before still acknowledges', ['fenced'], h =>
    changed(h, of(h, 'acking').at(-1), each => ({ ...each, epoch: 1 })),
  ),
  change('a consumer passes over an event', ['consumer-order', 'gap'], h =>
    without(h, [of(h, 'handed')[12]]),
  ),
  change('a consumer hands out what was acknowledged', ['consumer-order'], h =>
    inserted(h, of(h, 'handed').at(-1), { ...of(h, 'handed')[2], n: of(h, 'handed').at(-1)?.n } as Entry),
  ),
  change('a consumer changes the order', ['consumer-order'], h =>
    swapped(h, of(h, 'handed')[6], of(h, 'handed')[7]),
  ),
  change('a consumer never hands out the last event', ['incomplete'], h =>
    without(h, [
      of(h, 'handed').at(-1),
      of(h, 'acking').at(-1),
      of(h, 'acked').at(-1),
      of(h, 'cursor').at(-1),
    ]),
  ),
  change('a consumer hands out other bytes', ['bytes'], h =>
    changed(h, of(h, 'handed')[6], each => ({ ...each, h: 'ffffffffffff' })),
  ),
  change('the cursor of a consumer runs ahead', ['consumer-cursor'], h =>
    changed(h, of(h, 'cursor')[2], each => ({ ...each, position: each.position + 20 })),
  ),
  change('an acknowledgement does not move the cursor', ['consumer-cursor'], h =>
    changed(h, of(h, 'acked')[3], each => ({ ...each, cursor: of(h, 'acked')[2]?.cursor })),
  ),
  change('more is in flight than allowed', ['in-flight'], h =>
    without(h, [
      ...of(h, 'acking').slice(1, 3),
      ...of(h, 'acked').slice(1, 3),
      ...of(h, 'cursor').slice(1, 3),
    ]),
  ),
  change('a consumer is reset for nothing', ['reset-uncaused'], h =>
    inserted(h, of(h, 'handed')[6], {
      k: 'rewound',
      t: of(h, 'handed')[6]?.t ?? 0,
      consumer: of(h, 'handed')[6]?.consumer ?? '',
      reason: 'retention',
      head: of(h, 'handed')[6]?.id ?? '',
    }),
  ),
  change('a webhook passes over an event', ['webhook-order'], h => without(h, [of(h, 'accepted')[12]])),
  change('a webhook gives up its last event', ['incomplete'], h => without(h, [of(h, 'accepted').at(-1)])),
  change('a webhook writes the data anew', ['bytes'], h =>
    changed(h, of(h, 'delivery')[6], each => ({ ...each, h: 'ffffffffffff' })),
  ),
  change('a webhook is not signed with the new secret', ['unsigned'], h =>
    changed(h, of(h, 'delivery')[6], each => ({ ...each, isSigned: false })),
  ),
  change('a webhook sends an event of another history', ['unstored'], h =>
    changed(h, of(h, 'delivery')[6], each => ({ ...each, id: '7.zzzzzz' })),
  ),
  change('two runners claim one attempt', ['job-holder'], h =>
    inserted(h, answer(h, 'claimed'), { ...answer(h, 'claimed'), runner: 'other' } as Entry),
  ),
  change('a runner is heard after another one has claimed the job', ['job-holder'], h =>
    inserted(h, answer(h, 'claimed'), { ...answer(h, 'claimed'), runner: 'other', attempt: 2 } as Entry).map(
      each =>
        each === answer(h, 'ended') ? { ...each, asked: (answer(h, 'claimed')?.t ?? 0) + LATER_MS } : each,
    ),
  ),
  change('lines that were acknowledged are missing', ['job-holder'], h =>
    changed(h, answer(h, 'told'), each => ({ ...each, count: 3 })),
  ),
  change('the end that was acknowledged is another one', ['job-holder'], h =>
    changed(h, answer(h, 'ended'), each => ({ ...each, type: 'job.failed' })),
  ),
  change('a stranger tells a line of a job', ['job-states'], h =>
    changed(h, rows(h, JOB)[2], each => ({ ...each, by: 'other' })),
  ),
  change('a stranger ends a job', ['job-states'], h =>
    changed(h, rows(h, JOB)[4], each => ({ ...each, by: 'other' })),
  ),
  change('a job that was submitted is not stored', ['job-states'], h => [
    ...h,
    { k: 'job', t: LATER_MS, asked: LATER_MS, job: 'acme/job:2', did: 'submitted' },
  ]),
  change('an attempt is skipped', ['job-states'], h =>
    changed(h, rows(h, JOB)[1], each => ({ ...each, attempt: 2 })),
  ),
  change('a gateway refuses clients for nothing', ['status'], h =>
    without(
      h,
      h.filter(each => (each.k === 'fault' || each.k === 'healed') && each.fault === 'gateway-killed'),
    ),
  ),
  change('a proxy has no gateway long after the fault', ['status'], h =>
    changed(h, of(h, 'status').at(-1), each => ({ ...each, status: 502, t: each.t + LATER_MS })),
  ),
  change('a publish fails long after the outage', ['publish-failed'], h =>
    inserted(
      h,
      of(h, 'outcome')[3],
      { k: 'fault', t: 1, fault: 'postgres-stopped' },
      { k: 'healed', t: 2, fault: 'postgres-stopped' },
      { k: 'started', t: LATER_MS, publish: 'late', events: [{ stream: 'acme/feed', mark: 'late-0' }] },
      { k: 'outcome', t: LATER_MS, publish: 'late', outcome: 'failed', why: '08006' },
    ),
  ),
  change('two histories are mixed: an event of the lost one comes after the reset', ['silent-loss'], h =>
    inserted(h, frames(h, 'c2').at(-1), lostFrame(h, 0)),
  ),
  change('an event of a lost tail is passed over', ['gap'], h => without(h, [lostFrame(h, 0)])),
  change('an event of a lost tail has other bytes', ['bytes'], h =>
    changed(h, lostFrame(h, 0), each => ({ ...each, h: 'ffffffffffff' })),
  ),
  change('a tail was lost of which the old primary knows nothing', ['acknowledged-lost'], h =>
    without(h, [h.find(each => each.k === 'row' && each.lost), ...resets(h, '')]),
  ),
  change('a part of a transaction is lost', ['half-stored'], h => {
    const row = largeRow(h)
    const lost = h.find((each): each is EntryOf<'row'> => each.k === 'row' && each.lost === true)
    const without_ = changed(h, row, ({ mark: _, ...each }) => each)
    return changed(without_, lost, each => ({ ...each, mark: row?.mark }))
  }),
  change('a stream is opened to one who may not see it', ['isolation'], h => {
    const at = { t: of(h, 'status')[0]?.t ?? 0, c: 'stranger', n: 1 }
    return [
      ...h,
      { k: 'client', client: 'stranger', stream: 'acme/feed', form: 'sse', from: 'now', granted: [] },
      { k: 'open', ...at },
      { k: 'status', ...at, status: 200 },
      { k: 'notice', ...at, name: 'server.state', id: rows(h).at(-1)?.id ?? '' },
    ]
  }),
  change('a page of removed events has other bytes', ['bytes'], h =>
    changed(afterRetention(h), frames(h, 'c0')[3], each => ({ ...each, h: 'ffffffffffff' })),
  ),
]

export function of<Kind extends Entry['k']>(history: readonly Entry[], kind: Kind): EntryOf<Kind>[] {
  return history.filter((each): each is EntryOf<Kind> => each.k === kind)
}

function answer(history: readonly Entry[], did: EntryOf<'job'>['did']): EntryOf<'job'> | undefined {
  return of(history, 'job').find(each => each.did === did)
}

/** The frame by which a client got an event that was lost later. */
export function lostFrame(history: readonly Entry[], place: number): EntryOf<'frame'> | undefined {
  const ids = lostIds(history)
  return frames(history, 'c2').filter(({ id }) => ids.has(id))[place]
}
