/** Each thing that a network can do, on each of three ways: a gateway's to Postgres, SQL publishers' to Postgres, nginx's to a gateway. */
import type { Fault, Part, Scene } from '../fault.js'
import type { FaultyProxy, NetworkFault } from '../faulty-proxy.js'

interface Way {
  readonly part: Part
  readonly causes: readonly string[]
  readonly proxy: (scene: Scene) => FaultyProxy
}

const WAYS: readonly Way[] = [
  {
    part: 'database',
    causes: ['network'],
    proxy: ({ world, random }) => random.pick(world.gateways).database,
  },
  { part: 'publishers', causes: ['network'], proxy: ({ world }) => world.publishers },
  { part: 'upstream', causes: ['proxy'], proxy: ({ world, random }) => random.pick(world.gateways).upstream },
]
const MOST_BYTES = 6_000

type Draw = (scene: Scene) => NetworkFault

const KINDS: Readonly<Record<string, Draw>> = {
  delayed: ({ random }) => ({ kind: 'delay', ms: random.between(20, 400) }),
  throttled: ({ random }) => ({ kind: 'throttle', bytesPerSecond: random.between(2_000, 50_000) }),
  'black-holed': () => ({ kind: 'black-hole' }),
  'half-open': () => ({ kind: 'half-open' }),
  reset: () => ({ kind: 'reset' }),
  cut: ({ random }) => ({ kind: 'cut', afterBytes: () => random.between(1, MOST_BYTES) }),
}

/** One kind on each way, and each way twice: what a minute has time for. */
const SHORT = [
  'database-black-holed',
  'database-cut',
  'publishers-reset',
  'publishers-delayed',
  'upstream-half-open',
  'upstream-throttled',
]

export const NETWORK_FAULTS: readonly Fault[] = WAYS.flatMap(way =>
  Object.entries(KINDS).map(([kind, draw]) => faultOf(`${way.part}-${kind}`, way, draw)),
)

function faultOf(name: string, { part, causes, proxy }: Way, draw: Draw): Fault {
  const isSilent = /black-holed|half-open/.test(name)
  return {
    name,
    parts: [part],
    causes: isSilent ? [...causes, 'black-holed'] : causes,
    lasts: [1_000, isSilent ? 10_000 : 5_000],
    isShort: SHORT.includes(name),
    async inject(scene) {
      const way = proxy(scene)
      way.fail(draw(scene))
      return async () => way.heal()
    },
  }
}
