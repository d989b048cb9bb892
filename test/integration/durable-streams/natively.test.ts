/** A stream that a client of Durable Streams writes, read in the other forms. */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { ask } from './dialect.js'

t.test('messages are events for all other readers, and other events are messages', async t => {
  const gateway = await startGateway(t)
  const native = (path: string, accept: string, more: object = {}) =>
    fetch(`${gateway.url}${path}`, { headers: { ...as('editor'), accept }, ...more })
  const follow = (accept: string) =>
    fetch(`${gateway.url}/api/events?stream=chat/7`, {
      headers: { ...as('viewer'), accept, 'last-event-id': '0' },
    })
  const page = '/api/events?stream=chat/7&after=0'
  const headers = { 'content-type': 'application/json' }
  await ask(gateway, 'PUT', 'chat/7', { headers })
  await ask(gateway, 'POST', 'chat/7', { headers, body: '[{"n": 1.50}, "two"]' })

  const lines = await linesOf(await follow('application/x-ndjson'))
  const batch = await (await native(page, 'application/cloudevents-batch+json')).json()
  const live = await openStream(t, `${gateway.url}/api/events?stream=chat/7`, {
    headers: { ...as('viewer'), 'last-event-id': '0' },
  })
  await live.until(2, 'chunk')
  await fetch(`${gateway.url}/api/consumers/index`, {
    method: 'PUT',
    headers: { ...as('admin'), ...headers },
    body: '{"stream":"chat/7","start":"beginning"}',
  })
  const consumed = await native('/api/consumers/index/events?takeover=true', 'application/json')

  t.match(
    lines
      .split('\n')
      .filter(line => line.includes('"chunk"'))
      .map(line => JSON.parse(line)),
    [
      { type: 'chunk', position: 1, data: { json: { n: 1.5 } } },
      { type: 'chunk', position: 2, data: { json: 'two' } },
    ],
  )
  t.ok(lines.includes('{"json":{"n": 1.50}}'), 'digits and spaces stay')
  t.match(batch, [
    { specversion: '1.0', type: 'chunk', data: { json: { n: 1.5 } } },
    { type: 'chunk', data: { json: 'two' } },
  ])
  t.match(
    live.messages.filter(({ event }) => event === 'chunk').map(({ data }) => JSON.parse(data)),
    [{ json: { n: 1.5 } }, { json: 'two' }],
  )
  t.match(await consumed.json(), { events: [{ data: { json: { n: 1.5 } } }, { data: { json: 'two' } }] })
})

t.test('a text and bytes are events too', async t => {
  const gateway = await startGateway(t)
  for (const [name, type] of [
    ['text', 'text/plain'],
    ['bytes', 'application/octet-stream'],
  ] as const)
    await ask(gateway, 'PUT', name, { headers: { 'content-type': type }, body: 'héllo' })
  const dataOf = async (name: string) => {
    const response = await fetch(`${gateway.url}/api/events?stream=${name}&after=0`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    return ((await response.json()) as { events: { data: object }[] }).events.map(({ data }) => data)
  }

  t.same(await dataOf('text'), [{ text: 'héllo' }])
  t.same(await dataOf('bytes'), [{ base64: Buffer.from('héllo').toString('base64') }])
})

/** Up to the last message. */
async function linesOf({ body }: Response): Promise<string> {
  let text = ''
  for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece
    if (text.includes('"two"') && text.endsWith('\n')) break
  }
  return text
}
