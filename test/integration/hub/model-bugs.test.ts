/**
 * The model finds bugs: each of these is planted in the product's own parts, and seen in few runs. A change of the model's steps needs other
 * seeds.
 */
import fc from 'fast-check'
import t from 'tap'
import { MemoryBus } from '../../../src/bus/memory-bus.js'
import { ClientOutput } from '../../../src/hub/client-output.js'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { PageFrames } from '../../../src/hub/page-frames.js'
import { RecentFrames } from '../../../src/hub/recent-frames.js'
import { Sink } from '../../../src/sse/sink.js'
import { ModelLog } from './model-log.js'
import { play } from './model-run.js'
import { STEPS } from './model-steps.js'
import { ModelWorld } from './model-world.js'

type Method = (this: unknown, ...args: unknown[]) => unknown

/** Where the model finds a bug. */
interface Find {
  readonly seed: number
  /** How many runs it needs. */
  readonly runs: number
}

interface Bug {
  readonly name: string
  readonly find: Find
  /** The class and the method that it is in. */
  readonly of: object
  readonly method: string
  /** @param right the method as it should be. */
  wrong(right: Method): Method
}

const BUGS: readonly Bug[] = [
  bug(
    'off by one at the edge of the recent frames: one is left out',
    { seed: 1, runs: 2 },
    RecentFrames.prototype,
    'after',
    right =>
      returning(
        right,
        (frames?: readonly unknown[]) => frames && (frames.length > 1 ? frames.slice(1) : frames),
      ),
  ),
  bug(
    'stale recent frames after a lost tail',
    { seed: 4, runs: 2 },
    RecentFrames.prototype,
    'clear',
    () => () => {},
  ),
  bug(
    'recent frames are compared by number only',
    { seed: 14, runs: 5 },
    RecentFrames.prototype,
    'after',
    right =>
      function (this: unknown, ...[cursor]: unknown[]) {
        const { position } = cursor as { position: number }
        return right.call(this, { position })
      },
  ),
  bug(
    'a page is compared by number only',
    { seed: 11, runs: 2 },
    PageFrames.prototype,
    'has',
    () => () => true,
  ),
  bug(
    'the head is compared by number only',
    { seed: 4, runs: 2 },
    ModelLog.prototype,
    'answer',
    right =>
      function (this: unknown, ...args: unknown[]) {
        const rows = right.apply(this, args) as { lost?: boolean; position: unknown }[]
        if ((args[0] as string) !== 'sluice-read-tails') return rows
        return rows.filter(row => row.position !== null).map(row => ({ ...row, lost: false }))
      },
  ),
  bug(
    'a sequence as the cursor: the first event of a delivery is passed over',
    { seed: 1, runs: 1 },
    HubStream.prototype,
    'receive',
    right =>
      function (this: unknown, ...[events]: unknown[]) {
        const all = events as readonly unknown[]
        return right.call(this, all.length > 2 ? all.slice(1) : all)
      },
  ),
  bug(
    'a drain is swallowed',
    { seed: 39, runs: 14 },
    Sink.prototype,
    'drained',
    right =>
      function (this: unknown) {
        return (this as Sink).full ? new Promise(() => {}) : right.call(this)
      },
  ),
  bug(
    'a heartbeat is ahead of the cursor',
    { seed: 1, runs: 2 },
    ClientOutput.prototype,
    'tick',
    right =>
      function (this: unknown, ...[now, heartbeats, cursor]: unknown[]) {
        const { position, eventId } = cursor as { position: number; eventId: string }
        const ahead = { position: position + 1, eventId }
        return right.call(this, now, heartbeats, ahead)
      },
  ),
  bug('a reset is not said', { seed: 2, runs: 2 }, ClientOutput.prototype, 'reset', () => () => {}),
  bug(
    'wakes are lost, and nothing polls',
    { seed: 1, runs: 1 },
    ModelWorld.prototype,
    'advance',
    () => async () => {},
  ),
  bug(
    'a restart of the stream is swallowed',
    { seed: 2, runs: 2 },
    HubStream.prototype,
    'restart',
    right =>
      function (this: unknown, ...[why, bounds]: unknown[]) {
        const stream = this as HubStream
        const followers = [...stream.followers]
        stream.followers.clear()
        right.call(this, why, bounds)
        for (const follower of followers) stream.followers.add(follower)
      },
  ),
  bug(
    'a bus that carries other data than its writer gave it',
    { seed: 1, runs: 2 },
    MemoryBus.prototype,
    'announce',
    right => carrying(right, () => true),
  ),
  bug(
    'a bus that carries other data of an event that was published alone',
    { seed: 2, runs: 1 },
    MemoryBus.prototype,
    'announce',
    right => carrying(right, count => count === 1),
  ),
]

for (const { name, find, of, method, wrong } of BUGS) {
  t.test(`found: ${name}`, async t => {
    const right: Method = Reflect.get(of, method)
    Reflect.set(of, method, wrong(right))
    t.teardown(() => Reflect.set(of, method, right))

    const property = fc.asyncProperty(fc.commands(STEPS, { maxCommands: 40, size: 'max' }), play)
    const run = await fc.check(property, { numRuns: find.runs, seed: find.seed, endOnFailure: true })

    t.ok(run.failed)
    t.comment(`${name}: run ${run.numRuns}: ${run.errorInstance}`)
  })
}

function bug(name: string, find: Find, of: object, method: string, wrong: Bug['wrong']): Bug {
  return { name, find, of, method, wrong }
}

function returning<R>(right: Method, change: (result: R) => unknown): Method {
  return function (this: unknown, ...args: unknown[]) {
    return change(right.apply(this, args) as R)
  }
}

/** Other data of commits of so many events. */
function carrying(right: Method, isChanged: (events: number) => boolean): Method {
  return function (this: unknown, ...[committed]: unknown[]) {
    const all = committed as readonly { events: readonly { data: string }[] }[]
    const changed = all.map(each => ({
      ...each,
      events: isChanged(each.events.length)
        ? each.events.map(event => ({ ...event, data: `[${event.data},${event.data}]` }))
        : each.events,
    }))
    return right.call(this, changed)
  }
}
