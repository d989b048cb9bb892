/** Faults of the gateways' processes, and of nginx. */
import { ended, type Fault, type Scene } from '../fault.js'
import { LONG_READ_TIMEOUTS_S } from '../nginx-process.js'

const gateway = ({ world, random }: Scene) => random.pick(world.gateways)

export const GATEWAY_FAULTS: readonly Fault[] = [
  {
    name: 'gateway-killed',
    parts: ['gateways'],
    causes: [],
    lasts: [500, 3_000],
    isShort: true,
    async inject(scene) {
      const one = gateway(scene)
      await one.kill()
      return () => one.start()
    },
  },
  {
    name: 'gateway-stopped',
    parts: ['gateways'],
    causes: [],
    lasts: [200, 2_000],
    async inject(scene) {
      const one = gateway(scene)
      await one.stop()
      return () => one.start()
    },
  },
  {
    // A rolling deploy: one after the other is stopped and started again.
    name: 'gateways-rolled',
    parts: ['gateways'],
    causes: ['gateway-stopped'],
    lasts: [0, 0],
    isShort: true,
    async inject({ world }) {
      for (const one of world.gateways) {
        await one.stop()
        await one.start()
      }
      return ended
    },
  },
  {
    name: 'gateway-frozen',
    parts: ['gateways'],
    causes: [],
    lasts: [1_500, 12_000],
    isShort: true,
    async inject(scene) {
      const one = gateway(scene)
      one.signal('SIGSTOP')
      return async () => one.signal('SIGCONT')
    },
  },
  {
    name: 'gateway-blocked',
    parts: ['gateways'],
    causes: ['gateway-frozen'],
    lasts: [3_000, 6_000],
    isShort: true,
    async inject(scene) {
      const one = gateway(scene)
      one.block(scene.ms)
      return async () => void (await one.measure())
    },
  },
  {
    // It answers after nginx has given it up, and is silent on streams for longer than nginx waits there.
    name: 'nginx-timed-out',
    parts: ['gateways', 'nginx'],
    causes: ['gateway-frozen', 'proxy'],
    lasts: [LONG_READ_TIMEOUTS_S.others * 1_000 + 1_000, LONG_READ_TIMEOUTS_S.others * 1_000 + 4_000],
    async inject(scene) {
      const one = gateway(scene)
      one.signal('SIGSTOP')
      return async () => one.signal('SIGCONT')
    },
  },
  {
    name: 'nginx-reloaded',
    parts: ['nginx'],
    causes: ['proxy'],
    lasts: [500, 3_000],
    isShort: true,
    async inject({ world }) {
      world.nginx.reload()
      return ended
    },
  },
  {
    name: 'nginx-killed',
    parts: ['nginx'],
    causes: ['proxy'],
    lasts: [500, 3_000],
    isShort: true,
    async inject({ world }) {
      await world.nginx.kill()
      return () => world.nginx.start()
    },
  },
]
