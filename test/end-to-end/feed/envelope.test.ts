import t from 'tap'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const DATA = { text: 'a\nb', umlaut: 'ü', n: 1 }

t.test('in envelopes each event and notice is an unnamed message, the document of its line', async t => {
  const gateway = await startGateway(t)
  const events = ['thing.made', 'cursor-like', 'other.made'].map(type => ({ type, data: DATA }))
  await publish(gateway, events)
  await gateway.app.database.query(
    `select sluice.publish('acme', 'feed', 'pretty.data', e'{\\n  "n": 1\\r\\n}')`,
  )
  const url = `${gateway.url}/api/events?from=beginning`
  const accept = { accept: 'application/x-ndjson' }
  const lines = await openStream(t, url, { headers: { ...as('viewer'), ...accept } })
  await until('five lines', () => lines.text().split('\n').length >= 6)

  const stream = await openStream(t, `${url}&envelope=message`, { headers: as('viewer') })
  const messages = await stream.until(5)

  const same = (document: string) => document.replace(/"connection":"[^"]*"/, '"connection":""')
  t.strictSame(
    messages.map(({ data }) => same(data)),
    lines.text().split('\n').slice(0, 5).map(same),
  )
  for (const { event, id, data } of messages) {
    t.equal(event, undefined)
    t.equal(JSON.parse(data).id, id, 'as it stands in the named form')
  }
})

t.test('a client that requests named cursors gets no block without data, in either form', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, [
    { type: 'kept', data: {} },
    { type: 'left.out', data: {} },
  ])
  const follow = async (query: string) => {
    const url = `${gateway.url}/api/events?from=beginning&types=kept&${query}`
    const stream = await openStream(t, url, { headers: as('viewer') })
    return { messages: await stream.until(query === '' ? 2 : 3), text: stream.text() }
  }

  const named = await follow('cursors=named')
  const enveloped = await follow('cursors=named&envelope=message')

  t.match(named.messages.at(-1), { event: 'cursor', data: '{}', id: /^2\./ })
  const document = { type: 'cursor', data: {}, id: named.messages.at(-1)?.id }
  t.strictSame(JSON.parse(enveloped.messages.at(-1)?.data ?? ''), document)
  for (const { text } of [named, enveloped]) t.notMatch(text, /(^|\n\n)id: [^\n]+\n\n/)
})

t.test('an event stored under a type that was not yet reserved is still delivered', async t => {
  const gateway = await startGateway(t)
  const [id] = await publish(gateway, { type: 'thing.made', data: DATA })
  await gateway.app.database.query(`update sluice.events set type = 'cursor'`)

  const stream = await openStream(t, `${gateway.url}/api/events?from=beginning`, { headers: as('viewer') })

  t.match((await stream.until(2))[1], { event: 'cursor', id, data: JSON.stringify(DATA) })
  await t.rejects(publish(gateway, { type: 'cursor', data: {} }), /reserved-type/)
})

t.test('clients of all four forms need only two fan-out groups', async t => {
  const { app, url } = await startGateway(t)
  for (const query of ['', '&cursors=named', '&envelope=message', '&envelope=message&cursors=named']) {
    const stream = await openStream(t, `${url}/api/events?types=a.*${query}`, { headers: as('viewer') })
    await stream.until(1)
  }
  const handle = await app.hub.open('acme', 'feed')
  t.teardown(() => handle?.release())

  t.equal(handle?.stream.fanOutGroups, 2)
})

t.test("Chromium's onmessage sees events of any type at once", { skip: withoutBrowser() }, async t => {
  const gateway = await startGateway(t)
  const browser = await openBrowser(t)
  const tab = await browser.newPage({ bypassCSP: true })
  await tab.goto(`${gateway.url}/health`)
  await tab.evaluate(`
    window.seen = []
    const source = new EventSource('/api/events?envelope=message&token=${token()}')
    source.onmessage = ({ data, lastEventId }) => window.seen.push({ ...JSON.parse(data), lastEventId })
  `)
  await tab.waitForFunction('window.seen.length === 1')

  const [id] = await publish(gateway, { type: 'never.met.before', data: DATA })
  await tab.waitForFunction('window.seen.length === 2')

  const seen = await tab.evaluate('window.seen')
  t.match(seen, [{ type: 'server.state' }, { type: 'never.met.before', data: DATA, id, lastEventId: id }])
})
