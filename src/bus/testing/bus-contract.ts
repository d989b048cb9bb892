/**
 * What every bus must do (src/bus/bus.ts), as tests for any runner. With node:test:
 *
 *   for (const { title, run } of busContract(prepare)) test(`my bus: ${title}`, run)
 *
 * A test fails by throwing. Each makes several buses that can reach each other, as gateway processes would.
 */
import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { Committed } from '../../log/committed.js'
import type { Position, StreamId } from '../../log/event.js'
import type { Bus, Wake } from '../bus.js'

/**
 * Called once for each test: prepares what the buses of that test share, such as an empty channel of a broker, and returns
 * how to make them. `context` is what the runner passes to the test, to clean up with afterwards.
 */
export type PrepareBuses<Context> = (context: Context) => Promise<() => Bus>

export interface BusContractOptions {
  /** How long a wake may take to arrive before its test fails, in milliseconds. Default 15 s. */
  readonly patienceMs?: () => number
}

export interface BusContractTest<Context> {
  readonly title: string
  readonly run: (context: Context) => Promise<void>
}

type Case = (buses: Buses) => Promise<void>

const PATIENCE_MS = 15_000
const LOOK_AGAIN_MS = 5

export function busContract<Context>(
  prepare: PrepareBuses<Context>,
  { patienceMs = () => PATIENCE_MS }: BusContractOptions = {},
): readonly BusContractTest<Context>[] {
  return Object.entries(CASES).map(([title, check]) => ({
    title,
    async run(context) {
      const buses = new Buses(await prepare(context), patienceMs())
      try {
        await check(buses)
      } finally {
        await buses.close()
      }
    },
  }))
}

const CASES: Readonly<Record<string, Case>> = {
  async 'a wake reaches all other buses'(buses) {
    const [sender, ...others] = await Promise.all([buses.started(), buses.started(), buses.started()])

    sender.bus.wake(streams(7, 8))

    for (const other of others) await buses.until('7 and 8', () => other.heard(7) && other.heard(8))
    ok(others.every(other => !other.heard(9)))
  },

  async 'a start counts as a moment in which wakes were lost'(buses) {
    const { wakes } = await buses.started()

    ok(wakes.includes('all'))
  },

  async 'a burst of wakes arrives, merged or not'(buses) {
    const [one, two, three] = await Promise.all([buses.started(), buses.started(), buses.started()])
    const ids = Array.from({ length: 3_000 }, (_, index) => 1_000_000 + index)

    for (const id of ids) (id % 2 ? one : two).bus.wake(streams(id))

    await buses.until('all of them', () => ids.every(id => three.heard(id)))
  },

  async 'announced events reach all other buses, unchanged or as a wake'(buses) {
    const [sender, ...others] = await Promise.all([buses.started(), buses.started(), buses.started()])
    // It carries no events.
    if (!sender.bus.announce) return

    sender.bus.announce(COMMITTED)

    const has = ({ heard, carried }: StartedBus, { streamId }: Committed) =>
      heard(streamId) || carried.has(streamId)
    for (const other of others)
      await buses.until('its events or its wake', () => COMMITTED.every(each => has(other, each)))
    for (const { carried } of others)
      for (const each of COMMITTED) {
        const arrived = carried.get(each.streamId)
        if (arrived) deepEqual(arrived, each)
      }
  },

  async 'wake returns at once and never throws, in whatever state the bus is'(buses) {
    const bus = buses.make()

    equal(bus.wake(streams(1)), undefined, 'before the start')
    await bus.start(() => {})
    equal(bus.wake([]), undefined)
    equal(bus.wake(streams(1)), undefined)
    await bus.close()
    equal(bus.wake(streams(1)), undefined, 'after the end')
  },

  async 'a wake just before the bus is closed still arrives'(buses) {
    const [leaving, staying] = await Promise.all([buses.started(), buses.started()])
    const ids = Array.from({ length: 20 }, (_, index) => index + 1)

    for (const id of ids) leaving.bus.wake(streams(id))
    await leaving.bus.close()

    await buses.until('all of them', () => ids.every(id => staying.heard(id)))
  },

  async 'a closed bus calls nothing any more'(buses) {
    const [closed, other, witness] = await Promise.all([buses.started(), buses.started(), buses.started()])
    await closed.bus.close()
    const before = closed.wakes.length

    other.bus.wake(streams(7))
    await buses.until('the witness has it', () => witness.heard(7))

    equal(closed.wakes.length, before)
    notEqual(closed.bus.status, 'listening')
  },

  async 'closing is fine twice, at once and before the start'(buses) {
    const { bus } = await buses.started()

    await Promise.all([bus.close(), bus.close()])
    await bus.close()
    const neverStarted = buses.make()
    await neverStarted.close()
    const wakes: Wake[] = []
    await neverStarted.start(wake => wakes.push(wake))

    equal(wakes.length, 0, 'it was closed')
    notEqual(neverStarted.status, 'listening')
  },
}

interface StartedBus {
  readonly bus: Bus
  readonly wakes: Wake[]
  /** The events that have arrived, by stream. */
  readonly carried: ReadonlyMap<StreamId, Committed>
  heard(stream: number): boolean
}

/** Events with everything in them that an event can have. */
const COMMITTED = [
  {
    streamId: 41 as StreamId,
    way: 'http',
    previous: '0b7e2d94-53a1-4c7e-9f0e-6a2a3c1d5e01',
    events: [
      {
        position: 7 as Position,
        eventId: '0b7e2d94-53a1-4c7e-9f0e-6a2a3c1d5e02',
        at: new Date('2026-02-03T04:05:06.789Z'),
        type: 'thing.made',
        data: '{"text":"\\u0000 é \u2028 \u{1f600} \\ud800","number":1.10}',
        attributes: '{"source":"/things"}',
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      },
    ],
  },
  {
    streamId: 42 as StreamId,
    way: 'item',
    previous: '0b7e2d94-53a1-4c7e-9f0e-6a2a3c1d5e03',
    events: [1, 2].map(position => ({
      position: position as Position,
      eventId: `0b7e2d94-53a1-4c7e-9f0e-6a2a3c1d5e1${position}`,
      at: new Date(position),
      type: 'thing.made',
      data: '{}',
      attributes: null,
      traceparent: null,
    })),
  },
] as const satisfies readonly Committed[]

/** The buses of one test. */
class Buses {
  readonly #make: () => Bus
  readonly #patienceMs: number
  readonly #made: Bus[] = []

  constructor(make: () => Bus, patienceMs: number) {
    this.#make = make
    this.#patienceMs = patienceMs
  }

  make(): Bus {
    const bus = this.#make()
    this.#made.push(bus)
    return bus
  }

  /** A bus that listens. */
  async started(): Promise<StartedBus> {
    const bus = this.make()
    const wakes: Wake[] = []
    const heard = new Set<number>()
    const carried = new Map<StreamId, Committed>()
    await bus.start(
      wake => {
        wakes.push(wake)
        if (wake !== 'all') for (const stream of wake) heard.add(stream)
      },
      committed => {
        for (const each of committed) carried.set(each.streamId, each)
      },
    )
    await this.until('it listens', () => bus.status === 'listening' && wakes.includes('all'))
    return { bus, wakes, carried, heard: stream => heard.has(stream) }
  }

  async until(what: string, look: () => boolean): Promise<void> {
    const end = performance.now() + this.#patienceMs
    while (!look()) {
      if (performance.now() > end) throw new Error(`Not within ${this.#patienceMs} ms: ${what}.`)
      await pause(LOOK_AGAIN_MS)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#made.map(bus => bus.close()))
  }
}

function streams(...ids: number[]): StreamId[] {
  return ids as StreamId[]
}
