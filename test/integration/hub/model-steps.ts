/** What may happen in the model, as commands of fast-check: each can be shrunk and printed. */
import fc from 'fast-check'
import type { StreamId } from '../../../src/log/event.js'
import { ANSWERS } from './model-database.js'
import { STREAM } from './model-log.js'
import type { ModelWorld } from './model-world.js'

type Act<Args extends unknown[]> = (world: ModelWorld, ...args: Args) => unknown

class Step<Args extends unknown[]> implements fc.AsyncCommand<object, ModelWorld> {
  readonly #name: string
  readonly #args: Args
  readonly #act: Act<Args>

  constructor(name: string, args: Args, act: Act<Args>) {
    this.#name = name
    this.#args = args
    this.#act = act
  }

  check(): boolean {
    return true
  }

  /** The next step comes in the next turn of the event loop, before its consequences are at their end. */
  async run(_: object, world: ModelWorld): Promise<void> {
    await this.#act(world, ...this.#args)
    await world.clock.turn()
    const [violation] = world.violations
    if (violation) throw new Error(violation)
  }

  toString(): string {
    return `${this.#name}(${this.#args.map(arg => JSON.stringify(arg)).join(', ')})`
  }
}

function step<Args extends [unknown, ...unknown[]]>(
  name: string,
  args: { [Place in keyof Args]: fc.Arbitrary<Args[Place]> },
  act: Act<Args>,
): fc.Arbitrary<Step<Args>> {
  return fc.tuple<Args>(...args).map(given => new Step(name, given, act))
}

const GATEWAY = fc.nat(1)
const CLIENT = fc.nat(3)
const SMALL = fc.nat(6)
const COUNT = fc.nat(600)
const TYPE = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom('thing.made', 'rare') },
  { weight: 1, arbitrary: fc.constantFrom('large', 'huge') },
)
const TYPES = fc.oneof(
  {
    weight: 160,
    arbitrary: fc.array(TYPE, {
      minLength: 1,
      maxLength: 4,
    }),
  },
  // More than a page, or than a tailer takes at once.
  {
    weight: 1,
    arbitrary: fc.constantFrom(300, 520, 1_100).map(count => Array<string>(count).fill('thing.made')),
  },
)
const START = fc.oneof(
  fc.constantFrom({ at: 'beginning' } as const, { at: 'now' } as const),
  fc.record({ at: fc.constant('newest' as const), count: fc.nat(400) }),
)

export const STEPS: fc.Arbitrary<fc.AsyncCommand<object, ModelWorld>>[] = [
  step('publish', [GATEWAY, TYPES], (world, n, types) => world.publish(n, types)),
  step('publish', [GATEWAY, TYPES], (world, n, types) => world.publish(n, types)),
  step('commitElsewhere', [TYPES, fc.boolean()], (world, types, wakes) => {
    world.commit(0, types)
    if (wakes) for (const gateway of world.gateways) gateway.receive({ wake: [STREAM] })
  }),
  step(
    'loseTail',
    [SMALL, fc.array(fc.constantFrom('thing.made', 'rare'), { maxLength: 6 }), fc.boolean()],
    (world, lost, types, isSeen) => {
      world.commit(lost, types)
      if (isSeen) for (const gateway of world.gateways) gateway.exchange.connectionLost()
    },
  ),
  step('retain', [COUNT], (world, count) => world.log.retain(Math.min(count, world.log.events.length))),
  step(
    'connect',
    [CLIENT, GATEWAY, START],
    (world, n, gateway, start) => void world.client(n).connect(world.gateway(gateway), start),
  ),
  step(
    'connect',
    [CLIENT, GATEWAY, START],
    (world, n, gateway, start) => void world.client(n).connect(world.gateway(gateway), start),
  ),
  step('disconnect', [CLIENT], (world, n) => world.client(n).disconnect()),
  step('stall', [CLIENT], (world, n) => world.client(n).stall()),
  step('drain', [CLIENT], (world, n) => world.client(n).drain()),
  step('end', [CLIENT, fc.constantFrom('draining' as const, 'by-admin' as const)], (world, n, why) =>
    world.client(n).stop(why),
  ),
  step('holdReads', [GATEWAY], (world, n) => world.gateway(n).database.hold()),
  step('releaseReads', [GATEWAY], (world, n) => world.gateway(n).database.release()),
  step('answer', [GATEWAY, SMALL, fc.constantFrom(...ANSWERS)], (world, n, index, how) =>
    world.gateway(n).database.answer(index, how),
  ),
  step('answer', [GATEWAY, SMALL, fc.constantFrom(...ANSWERS)], (world, n, index, how) =>
    world.gateway(n).database.answer(index, how),
  ),
  step('leadBack', [GATEWAY], (world, n) => world.leadBack(n)),
  step('leadForth', [GATEWAY], (world, n) => {
    world.gateway(n).database.isBehind = false
  }),
  step('holdWire', [fc.constant(true)], (world, holds) => {
    world.wireHolds = holds
  }),
  step('releaseWire', [fc.constant(true)], world => world.releaseWire()),
  step('deliver', [SMALL, fc.boolean()], (world, index, keeps) => world.deliver(index, keeps)),
  step('dropMessage', [SMALL], (world, index) =>
    world.wire.splice(index % Math.max(1, world.wire.length), 1),
  ),
  step('repeatOld', [GATEWAY, COUNT, fc.boolean()], (world, n, index, knowsPrevious) => {
    const old = world.past[index % Math.max(1, world.past.length)]
    if (old && old.events.length > 0)
      world.gateway(n).receive({ committed: [knowsPrevious ? old : { ...old, previous: null }] })
  }),
  step(
    'forgeWake',
    [GATEWAY, fc.constantFrom<readonly StreamId[] | 'all'>([STREAM], [99 as StreamId], 'all')],
    (world, n, wake) => world.gateway(n).receive({ wake }),
  ),
  step('evict', [GATEWAY], (world, n) => world.gateway(n).evict()),
  step('forget', [GATEWAY], (world, n) => {
    world.gateway(n).pages.forget('all')
    world.gateway(n).tailer.forget('all')
  }),
  step('pauseStreams', [GATEWAY, fc.constantFrom(0, 5, 75)], (world, n, ms) => {
    world.gateway(n).pauseMs = ms
  }),
  step('slowDown', [fc.constantFrom(0, 2, 6)], (world, ms) => {
    world.clock.costPerLook = ms
  }),
  step('turns', [SMALL], async (world, turns) => {
    for (let left = turns; left > 0; left -= 1) await world.clock.turn()
  }),
  step('advance', [fc.constantFrom(1, 10, 100, 600, 6_000)], (world, ms) => world.advance(ms)),
]
