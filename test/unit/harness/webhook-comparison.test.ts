import { Webhook } from 'standardwebhooks'
import t from 'tap'
import type { ReceivedRequest } from '../../harness/hostile-receiver.js'
import { compare, type LoggedEvent } from '../../harness/webhook-comparison.js'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const OTHER = 'whsec_AfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const events = [1, 2, 3].map(
  (position): LoggedEvent => ({
    uuid: `uuid-${position}`,
    id: `${position}.abc`,
    position,
    workspace: 'acme',
    type: 'note',
    data: `{"n" : ${position}}`,
  }),
)

t.test('a receiver that got every event in order has no faults', async t => {
  const received = [
    delivery(1, 1, 2),
    delivery(2, 3),
    delivery(2, 4, 5),
    delivery(2, 6, 7),
    delivery(3, 8, 9),
  ]

  t.strictSame(compare(received, { events, isOrdered: true, secrets: [SECRET] }), { faults: [], repeats: 1 })
})

t.test('each fault is found', async t => {
  const all = [delivery(1, 1, 2), delivery(2, 3, 4), delivery(3, 5, 6)]
  const [first = delivery(1, 1, 2), ...others] = all
  const faults: Record<string, readonly [received: readonly ReceivedRequest[], fault: RegExp]> = {
    'an event that was tried only': [[delivery(1, 1), ...others], /^1\.abc was never accepted$/],
    'an event that is missing': [all.slice(0, 2), /^3\.abc was never accepted$/],
    'an event before its predecessor was accepted': [
      [delivery(1, 1, 4), delivery(2, 3, 5), delivery(3, 6, 7)],
      /2\.abc .* arrived before/,
    ],
    'an event of another log': [[...all, delivery(4, 7, 8)], /uuid-4.* is none of its events/],
    'another event id': [[renamed(first), ...others], /is named 9\.abc instead of 1\.abc/],
    'other data': [[{ ...first, body: '{"data":{"n":1}}' }, ...others], /has other data/],
    'a signature of another body': [[{ ...first, body: `${first.body} ` }, ...others], /is not signed/],
  }

  for (const [name, [received, fault]] of Object.entries(faults)) {
    const found = compare(received, { events, isOrdered: true, secrets: [SECRET] })
    t.match(found.faults.join('\n'), new RegExp(fault.source, 'm'), name)
  }
  const ofOther = compare(all, { events, isOrdered: true, secrets: [SECRET, OTHER] })
  t.equal(ofOther.faults.length, 3, 'every secret must sign')
  const [, early] = faults['an event before its predecessor was accepted'] ?? []
  const parallel = compare([delivery(2, 1, 2), delivery(1, 3, 4), delivery(3, 5, 6)], {
    events,
    isOrdered: false,
    secrets: [SECRET],
  })
  t.notMatch(parallel.faults.join('\n'), early ?? /./, 'a parallel endpoint has no order')
})

function delivery(position: number, arrived: number, accepted?: number): ReceivedRequest {
  const body = `{"type":"note","data":{"n" : ${position}}}`
  const at = new Date(1_700_000_000_000)
  const id = `uuid-${position}`
  return {
    path: '/hook',
    body,
    behaviour: 'accept',
    arrived,
    accepted,
    headers: {
      'webhook-id': id,
      'webhook-timestamp': '1700000000',
      'webhook-signature': `v1,AAAA ${new Webhook(SECRET).sign(id, at, body)}`,
      'sluice-event-id': `${position}.abc`,
      'sluice-attempt': '1',
    },
  }
}

function renamed(request: ReceivedRequest): ReceivedRequest {
  return { ...request, headers: { ...request.headers, 'sluice-event-id': '9.abc' } }
}
