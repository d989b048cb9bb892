import t from 'tap'
import type { HubStream } from '../../../src/hub/hub-stream.js'
import { WaitingClaims } from '../../../src/jobs/waiting-claims.js'

const ANY = {
  workspace: 'acme',
  projects: undefined,
  kinds: undefined,
  names: null,
  prefixes: null,
}

t.test('a job that is reported just as the queues were checked has them checked again', async t => {
  for (let steps = 0; steps < 15; steps++) {
    const feed = startFeed()
    let checks = 0
    let answer = () => {}
    const claims = new WaitingClaims({
      async count() {
        checks += 1
        if (checks === 1) await new Promise<void>(resolve => (answer = resolve))
        return [0]
      },
      open: async () => ({ stream: feed.stream as unknown as HubStream, release() {} }),
    })
    const over = new AbortController()
    const claim = claims.wait(ANY, async () => undefined, 60_000, over.signal)
    await aTurn()
    feed.grow()
    await aTurn()

    answer()
    void afterMicrotasks(steps).then(() => feed.grow())
    await aTurn()

    t.equal(checks, 2, `after ${steps} steps`)
    over.abort()
    await claim
  }
})

/** A feed that may have got a job with each growth. */
function startFeed() {
  const head = { position: 1 }
  let grown = () => {}
  const stream = {
    head,
    ending: false,
    deleted: false,
    recent: { after: () => undefined },
    grown: () => new Promise<void>(resolve => (grown = resolve)),
  }
  const grow = () => {
    stream.head = { position: stream.head.position + 1 }
    grown()
  }
  return { stream, grow }
}

async function afterMicrotasks(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await undefined
}

/** Everything that waits for nothing but other promises is done after it. */
function aTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
