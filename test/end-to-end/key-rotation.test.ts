/** The steps of docs/operations.md, "Changing the key of tokens", with two gateways and clients that stay. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.js'
import { create, EDITOR, run, STORIES } from '../harness/dialect-story.js'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { type Gateway, startGateway } from '../harness/gateway.js'
import { temporaryFolder } from '../harness/server.js'
import { bearer, SECRET, token } from '../harness/tokens.js'
import { until } from '../harness/until.js'

const NEXT = 'the new secret of the tests, 32 characters and more'

t.test('a secret changes on two gateways, and no client sees a refusal or misses an event', async t => {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'acme'))
  await writeFile(join(folder, 'acme', 'report.txt'), 'report')
  const { url: databaseUrl } = await createDatabase(t)
  const start = (env: Readonly<Record<string, string>>) =>
    startGateway(t, { databaseUrl, env: { ARTIFACTS_DIR: folder, ...env } })
  const gateways = [await start({ JWT_SECRET: SECRET }), await start({ JWT_SECRET: SECRET })]
  const job = await runWithArtifact(gateways[0])
  const refused: string[] = []
  const note = (step: string, { status, url }: { status: number; url: string }) => {
    if (status === 401 || status === 403) refused.push(`${step}: ${status} ${url}`)
  }

  /** Hands the tokens and links that each gateway accepts or makes to both. */
  async function round(step: string, secret: string): Promise<void> {
    const tokens = [token({}, {}, secret), ...gateways.map(({ app }) => app.signToken(VIEWER, 60))]
    for (const credentials of tokens) {
      const links: string[] = []
      for (const { url } of gateways) {
        const stream = await openStream(t, url + STORIES.runs.path(job), { headers: bearer(credentials) })
        note(step, { status: stream.response.statusCode ?? 0, url })
        const [snapshot] = await stream.until(1)
        links.push(JSON.parse(snapshot?.data ?? '').run.artifacts[0].url)
        stream.close()
      }
      for (const { url } of gateways) for (const link of links) note(step, await fetch(url + link))
    }
  }

  const client = followFor(t, gateways, token({ role: 'editor' }, {}, SECRET), note)
  async function restart(step: string, env: Readonly<Record<string, string>>, issuer: string): Promise<void> {
    for (const index of [0, 1]) {
      await gateways[index]?.close()
      gateways[index] = await start(env)
      await round(step, issuer)
      await client.publish()
    }
  }

  await until('the client is connected', () => client.connections() === 1)
  await restart('both are accepted', { JWT_SECRET: SECRET, JWT_SECRET_PREVIOUS: NEXT }, SECRET)
  await restart('the new one signs', { JWT_SECRET: NEXT, JWT_SECRET_PREVIOUS: SECRET }, SECRET)
  await round('the issuer signs with the new secret', NEXT)
  client.use(token({ role: 'editor' }, {}, NEXT))
  await restart('the old secret is gone', { JWT_SECRET: NEXT }, NEXT)

  t.strictSame(await client.end(), client.published)
  t.ok(client.connections() > 6, 'the client was on each gateway, before and after each step')
  t.strictSame(refused, [])
  const old = await openStream(t, `${gateways[0]?.url}/api/events`, { headers: bearer(token()) })
  t.equal(old.response.statusCode, 401, 'a token of the old secret is of no use now')
})

const VIEWER = { id: 'grace', workspace: 'acme', role: 'viewer' } as const

async function runWithArtifact(gateway: Gateway | undefined): Promise<string> {
  if (!gateway) throw new Error('There is no gateway.')
  const job = await create(gateway.app, STORIES.runs)
  await run(gateway.app, STORIES.runs, job)
  const artifact = { type: 'artifact', data: { name: 'report', path: 'report.txt' } }
  await gateway.app.jobs.append(EDITOR, job.id, [artifact], { attempt: 1 })
  return job.id
}

/** A client that reconnects with the same token, to one gateway after the other, until it is ended. */
function followFor(
  t: Test,
  gateways: readonly Gateway[],
  credentials: string,
  note: (step: string, answer: { status: number; url: string }) => void,
) {
  const published: string[] = []
  const earlier: string[] = []
  let current: EventStream | undefined
  let connections = 0
  let over = false
  const received = () => [
    ...earlier,
    ...(current?.messages ?? []).flatMap(({ event, id }) => (event === 'thing.made' && id ? [id] : [])),
  ]
  const following = (async () => {
    for (let turn = 0; !over; turn += 1) {
      const { url } = gateways[turn % gateways.length] ?? { url: '' }
      const last = earlier.at(-1)
      const place = last === undefined ? '?from=beginning' : `?last_event_id=${last}`
      current = await openStream(t, `${url}/api/events${place}`, { headers: bearer(credentials) }).catch(
        () => undefined,
      )
      if (!current) continue
      connections += 1
      note('the client', { status: current.response.statusCode ?? 0, url })
      const { response } = current
      // Where it breaks, `close` follows the error.
      if (!response.closed) await new Promise(resolve => response.once('close', resolve))
      earlier.splice(0, earlier.length, ...received())
    }
  })()
  return {
    published,
    connections: () => connections,
    /** The token from now on; the open stream keeps the one that it has. */
    use(other: string) {
      credentials = other
    },
    /** Publishes an event through each gateway. */
    async publish() {
      for (const { url } of gateways) {
        const response = await fetch(`${url}/api/events`, {
          method: 'POST',
          headers: { ...bearer(credentials), 'content-type': 'application/json' },
          body: JSON.stringify({ type: 'thing.made', data: {} }),
        })
        note('publishing', response)
        const receipt = (await response.json()) as { events: { id: string }[] }
        published.push(...receipt.events.map(({ id }) => id))
      }
    },
    /** What the client has received, once that is everything. */
    async end(): Promise<readonly string[]> {
      await until('the client has every event', () => received().length >= published.length)
      over = true
      const all = received()
      current?.close()
      await following
      return all
    },
  }
}
