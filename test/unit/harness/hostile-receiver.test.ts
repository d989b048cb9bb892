import { once } from 'node:events'
import { request } from 'node:http'
import t from 'tap'
import { BEHAVIOURS, type Behaviour, startHostileReceiver } from '../../harness/hostile-receiver.js'
import { patienceSignal } from '../../harness/patience.js'

/** Of the answers that never end, this much is waited for. */
const NO_END_MS = 300
const ENDLESS: readonly Behaviour[] = [
  'stall before the headers',
  'stall in the body',
  'trickle the body',
  'hint without end',
]
const HUGE = 104_857_600

t.test('a hostile receiver does what its behaviours say', async t => {
  const receiver = await startHostileReceiver(t)

  const seen = await Promise.all(BEHAVIOURS.map(async behaviour => [behaviour, await post(behaviour)]))

  t.strictSame(Object.fromEntries(seen), {
    accept: '200, 2 bytes',
    'accept without content': '204, 0 bytes',
    'accept with 100 MB': `200, ${HUGE} bytes`,
    'accept slowly': '200, 2 bytes',
    'fail with 500': '500, 12 bytes',
    'fail with 100 MB': `500, ${HUGE} bytes`,
    'ask for a pause': '429, 0 bytes, retry-after 1',
    'ask for a pause in words': '503, 0 bytes, retry-after soon',
    redirect: '302, 0 bytes',
    'be gone': '410, 0 bytes',
    drop: 'ECONNRESET',
    reset: 'ECONNRESET',
    'stall before the headers': 'no end',
    'stall in the body': 'no end',
    'trickle the body': 'no end',
    'hint without end': 'no end',
    'close half way': 'ECONNRESET',
    'reset half way': 'ECONNRESET',
    'answer no HTTP': 'HPE_INVALID_CONSTANT',
    'answer headers without end': 'HPE_HEADER_OVERFLOW',
  })
  t.strictSame(
    receiver.received
      .filter(({ isAccepted }) => isAccepted)
      .map(({ behaviour }) => behaviour)
      .sort(),
    ['accept', 'accept slowly', 'accept with 100 MB', 'accept without content'],
  )
  t.ok(receiver.received.every(({ body, headers }) => body === '{"n":1}' && headers['webhook-id'] === 'id'))

  async function post(behaviour: Behaviour): Promise<string> {
    const path = `/${encodeURIComponent(behaviour)}`
    receiver.behave(path, () => behaviour)
    const signal = patienceSignal(ENDLESS.includes(behaviour) ? NO_END_MS : 30_000)
    const sent = request(receiver.url + path, { method: 'POST', headers: { 'webhook-id': 'id' }, signal })
    try {
      sent.end('{"n":1}')
      const [response] = await once(sent, 'response')
      let bytes = 0
      for await (const chunk of response) bytes += chunk.length
      const pause = response.headers['retry-after']
      return `${response.statusCode}, ${bytes} bytes${pause ? `, retry-after ${pause}` : ''}`
    } catch (error) {
      return signal.aborted ? 'no end' : String(Object(error).code)
    }
  }
})
