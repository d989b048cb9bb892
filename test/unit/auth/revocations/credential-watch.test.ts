import t from 'tap'
import type { Principal } from '../../../../src/auth/principal.js'
import { CredentialWatch } from '../../../../src/auth/revocations/credential-watch.js'
import { systemClock } from '../../../../src/webhooks/delivery/clock.js'

const ADA: Principal = {
  ...{ id: 'ada', workspace: 'acme', role: 'viewer', expiresAt: 0, issuedAt: 0 },
  credential: { kind: 'token', id: undefined },
}

/** Node keeps a list for each delay of a timer that does not keep the process alive, until that delay has passed. */
t.test(
  'requests whose credentials end at different times, and alarms, leave no timers of many lengths',
  t => {
    const delays = new Set<number | undefined>()
    const { setTimeout: original } = globalThis
    t.teardown(() => {
      globalThis.setTimeout = original
    })
    globalThis.setTimeout = Object.assign((act: () => void, ms?: number) => {
      delays.add(ms)
      return original(act, ms)
    }, original)

    for (let n = 0; n < 100; n += 1) {
      const left = 3_600_000 + n * 1_009
      const caller = { ...ADA, expiresAt: Date.now() + left }
      const watch = new CredentialWatch({ principal: caller, current: one => one, onStopped: () => {} })
      watch.check()
      watch.stop()
      systemClock.at(Date.now() + left, () => {})()
    }

    t.strictSame([...delays], [60_000])
    t.end()
  },
)
