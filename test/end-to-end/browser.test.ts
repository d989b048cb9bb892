import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import { openBrowser, withoutBrowser } from '../harness/browser.js'
import { createDatabase } from '../harness/database.js'
import { startNginx, withoutNginx } from '../harness/nginx.js'
import { startProcess } from '../harness/process.js'
import { token } from '../harness/tokens.js'

const skip = withoutNginx() || withoutBrowser()
const PUBLISH_EVERY_MS = 20

t.test("Chromium's EventSource misses nothing and sees nothing twice", { skip }, async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateways = await Promise.all([startProcess(t, { databaseUrl }), startProcess(t, { databaseUrl })])
  const nginx = await startNginx(t, { upstreams: gateways.map(({ port }) => port) })
  const page = await openPage(t, nginx.url)
  await follow(page, 'all', '')
  await follow(page, 'filtered', '&types=thing.even,check.*')
  const publisher = publishAll(t, pool)

  const start = async (index: 0 | 1) => {
    gateways[index] = await startProcess(t, { databaseUrl, port: gateways[index].port })
  }

  // Each gateway in turn, in order and by kill -9.
  for (const end of ['stop', 'kill'] as const) {
    for (const index of [0, 1] as const) {
      await gateways[index][end]()
      await publisher.more()
      await start(index)
      await caughtUp(page, pool)
    }
  }
  const refusalsBefore = await page.evaluate<number>('window.refusals')

  // There is none until nginx has said so.
  await Promise.all([gateways[0].stop(), gateways[1].kill()])
  await page.waitForFunction(`window.refusals > ${refusalsBefore}`)
  await Promise.all([start(0), start(1)])
  await publisher.stop()
  await caughtUp(page, pool)

  const log = await readLog(pool)
  t.same(await page.evaluate('window.seen.all'), log)
  t.same(
    await page.evaluate('window.seen.filtered'),
    log.filter(({ type }) => type !== 'thing.odd'),
  )
  for (const gateway of gateways) t.equal(await gateway.stop(), 0)
})

interface Seen {
  readonly position: number
  readonly type: string
  readonly data: string
}

/** An empty page of the same origin: all that runs in it is the browser's own EventSource. */
async function openPage(t: Test, origin: string): Promise<Page> {
  const browser = await openBrowser(t)
  const page = await browser.newPage()
  await page.route(`${origin}/blank`, route =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
  )
  await page.goto(`${origin}/blank`)
  await page.evaluate('Object.assign(window, { seen: {}, opened: 0, refusals: 0 })')
  return page
}

async function follow(page: Page, name: string, query: string): Promise<void> {
  await page.evaluate(`new Promise(resolve => {
    const seen = window.seen[${JSON.stringify(name)}] = []
    const source = new EventSource('/api/events?from=beginning&token=${token()}${query}')
    source.addEventListener('open', () => { window.opened += 1; resolve() })
    source.addEventListener('unavailable', () => { window.refusals += 1 })
    source.addEventListener('reset', event => seen.push({ type: event.type, data: event.data }))
    for (const type of ['thing.odd', 'thing.even', 'check.end']) {
      source.addEventListener(type, ({ lastEventId, data }) => {
        seen.push({ position: Number.parseInt(lastEventId), type, data })
      })
    }
  })`)
}

/** Publishes from SQL, so that it goes on whatever happens to the gateways. */
function publishAll(t: Test, pool: Database) {
  let n = 0
  let stopped = false
  const running = (async () => {
    while (!stopped) {
      n += 1
      const type = n % 2 === 0 ? 'thing.even' : 'thing.odd'
      await pool.query(`select sluice.publish('acme', 'feed', $1, $2)`, [type, JSON.stringify({ n })])
      await pause(PUBLISH_EVERY_MS)
    }
  })()
  const stop = async () => {
    stopped = true
    await running
  }
  t.teardown(stop)
  return {
    stop,
    async more() {
      for (const before = n; n < before + 5; ) await pause(PUBLISH_EVERY_MS)
    },
  }
}

/** Both sources have the newest event that both want. */
async function caughtUp(page: Page, pool: Database): Promise<void> {
  await pool.query(`select sluice.publish('acme', 'feed', 'check.end', '{}')`)
  const ends = (await readLog(pool)).filter(({ type }) => type === 'check.end').length
  await page.waitForFunction(
    `Object.values(window.seen).every(seen => seen.filter(({ type }) => type === 'check.end').length >= ${ends})`,
  )
}

async function readLog(pool: Database): Promise<Seen[]> {
  const { rows } = await pool.query<Seen>(
    `select e."position", e.type, e.data from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = 'feed' order by e."position"`,
  )
  return rows
}
