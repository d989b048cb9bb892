/**
 * A client never loses its place. Two kinds of client are tested. One follows the letter of the standard (WHATWG HTML
 * §9.2.6): each block, even a lone comment, sets the client's last id to the id buffer, which begins empty with each
 * response. The other kind is worse: it loses its place at each block with data and without `id:`.
 */
import t from 'tap'
import { ID_PARAMETERS } from '../../../src/sse/brought-id.js'
import { movableClock } from '../../harness/clock.js'
import { create, EDITOR, idsOf, run, STORIES } from '../../harness/dialect-story.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

interface Place {
  readonly path: string
  readonly id: string
}

/** A client of each dialect that was cut off in the middle of a job, and clients of the feed and in envelopes. */
async function places({ app, url }: Gateway): Promise<Place[]> {
  const found: Place[] = []
  for (const story of Object.values(STORIES)) {
    const job = await create(app, story)
    await run(app, story, job)
    found.push({ path: story.path(job.id), id: (await idsOf(app, job)).at(-1) ?? '' })
  }
  const page = await fetch(`${url}/api/events`, { headers: { ...as('viewer'), accept: 'application/json' } })
  const { head }: { head: string } = Object(await page.json())
  const feed = ['/api/events', '/api/events?envelope=message'].map(path => ({ path, id: head }))
  const enveloped = found.slice(0, 1).map(({ path, id }) => ({ path: `${path}?envelope=message`, id }))
  return [...found, ...feed, ...enveloped]
}

/** What a client is left with after each block of a response. Both kinds of client begin with nothing. */
function idsAfterBlocks(text: string): string[] {
  let buffer = ''
  return text
    .split('\n\n')
    .slice(0, -1)
    .flatMap(block => {
      const own = /^id: (.*)$/m.exec(block)?.[1]
      buffer = own ?? buffer
      return /^data:/m.test(block) ? [buffer, own ?? ''] : [buffer]
    })
}

function isOnly(id: string, ids: readonly string[]): boolean {
  return ids.length > 0 && ids.every(each => each === id)
}

t.test('a client of an idle stream keeps its place, whatever ends the stream', async t => {
  const clock = movableClock(t)
  const gateway = await startGateway(t, { env: { MAX_STREAM_AGE: '0', HEARTBEAT_MS: '15000' } })
  const all = await places(gateway)
  const ends = {
    expired: () => clock.forward(3_700_000),
    revoked: async () => {
      await gateway.app.database.query(
        `insert into sluice.revocations (workspace, subject, by) values ('acme', 'revoked', 'root')`,
      )
      await gateway.app.guard.reload()
    },
    draining: () => gateway.app.hub.drain(1),
  }

  for (const [name, end] of Object.entries(ends)) {
    const headers = bearer(token({ sub: name, exp: secondsFromNow(3_600) }))
    const streams = await Promise.all(
      all.map(({ path, id }) =>
        openStream(t, gateway.url + path, { headers: { ...headers, 'last-event-id': id } }),
      ),
    )
    await until('all are there', () => gateway.app.hub.clients().total === all.length)
    clock.forward(16_000)
    await until('a heartbeat', () => streams.every(({ text }) => /heartbeat|ping/.test(text())))
    await end()

    for (const [n, { path, id }] of all.entries()) {
      t.ok(await streams[n]?.ended())
      const text = streams[n]?.text() ?? ''
      t.ok(isOnly(id, idsAfterBlocks(text)), `${name} ${path}\n${text}`)
    }
  }
})

t.test('a client that has only the snapshot of a run keeps its place', async t => {
  const { app, url } = await startGateway(t)
  const job = await app.jobs.create(EDITOR, { kind: 'run' }, 'running')
  const stream = await openStream(t, `${url}/api/v1/runs/${job.id}/events`, { headers: as('viewer') })
  await stream.until(1)

  const revocation = `insert into sluice.revocations (workspace, subject, by) values ('acme', 'viewer-of-acme', 'root')`
  await app.database.query(revocation)
  await app.guard.reload()

  t.equal(await stream.ended(), true)
  const ids = idsAfterBlocks(stream.text())
  t.ok(ids.length > 2, 'the snapshot and the reason of the end')
  t.ok(isOnly((await idsOf(app, job)).at(-1) ?? '', ids), stream.text())
})

t.test('a refused client keeps its place, in the header or in the URL', async t => {
  const first = await startGateway(t)
  const all = await places(first)
  const proxy = await startProxy(t, first.databaseUrl)
  const full = await startGateway(t, { databaseUrl: first.databaseUrl, env: { MAX_STREAMS: '1' } })
  await openStream(t, `${full.url}/api/events`, { headers: as('viewer') })
  const leaving = await startGateway(t, { databaseUrl: first.databaseUrl })
  leaving.app.serverState.drain()
  const cutOff = await startGateway(t, { databaseUrl: proxy.url })
  await proxy.unplug()
  const key = { 'x-api-key': `slk_${'a'.repeat(12)}_${'b'.repeat(43)}` }

  for (const { path, id } of all) {
    let before = ''
    for (const [{ url }, headers] of [
      [full, as('viewer')],
      [leaving, as('viewer')],
      [cutOff, as('viewer')],
      // Refused before any route is asked: whose the key is cannot be looked up.
      [cutOff, key],
    ] as const) {
      const byHeader = await heard(url + path, { ...headers, 'last-event-id': id })
      const and = path.includes('?') ? '&' : '?'
      const byUrl = await Promise.all(
        [...ID_PARAMETERS].map(name => heard(`${url}${path}${and}${name}=${id}`, headers)),
      )
      const newcomer = await heard(url + path, headers)

      for (const text of [byHeader, ...byUrl]) t.ok(isOnly(id, idsAfterBlocks(text)), `${path}\n${text}`)
      t.notMatch(newcomer, /^id:/m, 'nothing is made up')
      t.equal(
        masked(byHeader.replace(/^id: .*\n/m, '')),
        masked(newcomer),
        'a client with an event id gets the same as one without',
      )
      if (headers === key) t.equal(masked(newcomer), before, 'in its dialect')
      before = masked(newcomer)
    }
  }
})

t.test('an invalid event id is not echoed, and the client is still treated as one with a place', async t => {
  const { url } = await startGateway(t, { env: { MAX_STREAMS: '1' } })
  const brings = `${url}/api/events?lastEventId=`
  const open = await openStream(t, `${brings}yesterday`, { headers: as('viewer') })
  t.match(await open.until(2), [{ id: 'yesterday', event: 'server.state' }, { event: 'reset' }])

  for (const text of [
    '1.aaaaaa%0Adata:%20forged',
    '1%00',
    '%C3%BC',
    '1'.repeat(65),
    '1.aaaaaa,%202.bbbbbb',
  ]) {
    t.ok(isOnly('unknown', idsAfterBlocks(await heard(brings + text, as('viewer')))), text)
  }
})

async function heard(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const response = await fetch(url, { headers: { ...headers, accept: 'text/event-stream' } })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status} ${text}`)
  return text
}

function masked(text: string): string {
  return text.replace(/^retry: \d+$/m, 'retry: ms').replace(/"id":"[^"]*",/, '')
}
