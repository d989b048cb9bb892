/** A gateway that is killed while it delivers a wake: another one takes over, and what the dead one has begun is fenced. */
import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { startProcess } from '../../harness/process.js'
import { until } from '../../harness/until.js'
import {
  acksOf,
  offset,
  requestsTo,
  startReceiver,
} from '../../integration/durable-streams/subscriptions/wakes.js'

const ENV = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32' }

t.test('another gateway sends the wake of one that was killed, and the first wake is fenced', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const receiver = await startReceiver(t)
  // The request stays under way until the gateway is dead.
  receiver.answer = () => undefined
  const first = await startProcess(t, { databaseUrl, env: ENV })
  const before = requestsTo(first)
  await before.put('sub', {
    type: 'webhook',
    pattern: 'events/*',
    webhook: { url: receiver.url },
    lease_ttl_ms: 2_000,
  })
  await before.append('events/a')
  const { wake } = await receiver.wake(0)
  first.signal('SIGKILL')
  await first.ended()
  const taken = receiver.received.length

  const second = await startProcess(t, { databaseUrl, env: ENV })
  const after = requestsTo(second)
  const again = await receiver.wake(taken)
  const { wake_id, generation } = wake
  const stale = await after.work('sub', 'callback', wake.callback_token, {
    wake_id,
    generation,
    acks: acksOf(wake.streams),
    done: true,
  })
  receiver.answer = () => ({ status: 200, body: { done: true } })
  await until('the work is done', async () =>
    (await after.get('sub')).body.streams.every(
      ({ acked_offset }: { acked_offset: string }) => acked_offset === offset(1),
    ),
  )

  t.ok(again.wake.generation > wake.generation)
  t.match(again.wake.streams, [{ path: 'events/a', acked_offset: offset(0), tail_offset: offset(1) }])
  t.match(stale, { status: 409, body: { error: { code: 'FENCED' } } })
  // The key is derived from what both share.
  t.equal(kidOf(again.headers), kidOf(receiver.received[0]?.headers))
})

function kidOf(headers: IncomingHttpHeaders = {}): string | undefined {
  return /kid=([^,]+)/.exec(String(headers['webhook-signature']))?.[1]
}
