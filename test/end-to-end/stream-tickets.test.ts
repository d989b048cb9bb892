/** The lines for a page of docs/protocol.md in a real browser, on pages of the gateway's origin, of its site and of another. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { openBrowser, withoutBrowser } from '../harness/browser.js'
import { createDatabase } from '../harness/database.js'
import { read, section } from '../harness/document.js'
import { type Gateway, publish, startGateway } from '../harness/gateway.js'
import { freePort } from '../harness/port.js'
import { token } from '../harness/tokens.js'
import { succeeds, until } from '../harness/until.js'

const skip = withoutBrowser()
const lines = /```js\n(.*?)```/s.exec(section(read('docs/protocol.md'), '### Tickets'))?.[1] ?? ''

t.test('in Chromium', { skip }, async t => {
  const browser = await openBrowser(t)

  t.test('an EventSource reconnects by itself with a spent ticket', async t => {
    const site = await startSite(t)
    const { page, asked, opened } = await openPage(browser, site.gateway().url)
    await follow(page, site.gateway().url)

    await publishNext(site, 1)
    await seen(page, 1)
    site.gateway().app.server.closeAllConnections()
    await publishNext(site, 2)
    await seen(page, 2)
    await site.restart()
    await publishNext(site, 3)
    await seen(page, 3)

    t.same(await page.evaluate('window.seen'), [1, 2, 3])
    t.equal(asked(), 1, 'one ticket was enough')
    t.ok(opened.length >= 3)
    t.equal(new Set(opened.map(({ url }) => url)).size, 1, 'for one URL')
    t.ok(opened.every(({ status }) => status === 200))

    // Attack: the URL was found in a history, a log or a screenshot.
    const thief = await openPage(browser, site.gateway().url)
    const stolen = `fetch(${JSON.stringify(opened[0]?.url)}).then(answer => answer.status)`
    t.equal(await thief.page.evaluate(stolen), 401, 'another browser has nothing of it')
    t.notMatch(await page.evaluate('document.cookie'), /sluice/, 'and no script sees the cookie')
  })

  t.test('when the ticket expires, the page resumes after its last event with a new one', async t => {
    const site = await startSite(t)
    const { page, asked, opened } = await openPage(browser, site.gateway().url)
    await follow(page, site.gateway().url)
    await publishNext(site, 1)
    await seen(page, 1)

    await site.gateway().app.database.query('update sluice.stream_tickets set good_until = clock_timestamp()')
    site.gateway().app.server.closeAllConnections()
    await publishNext(site, 2)
    await seen(page, 2)

    t.same(await page.evaluate('window.seen'), [1, 2])
    t.equal(asked(), 2)
    t.same(
      opened.map(({ status }) => status),
      [200, 401, 200],
    )
  })

  t.test('a page of another origin on the same site sends the cookie too', async t => {
    const origin = await serveBlank(t, '127.0.0.1')
    const site = await startSite(t, origin)
    const { page, asked, opened } = await openPage(browser, origin)
    await follow(page, site.gateway().url)
    await publishNext(site, 1)
    await seen(page, 1)

    site.gateway().app.server.closeAllConnections()
    await publishNext(site, 2)
    await seen(page, 2)

    t.same(await page.evaluate('window.seen'), [1, 2])
    t.equal(asked(), 1)
    t.same(
      opened.map(({ status }) => status),
      [200, 200],
    )
  })

  // localhost and 127.0.0.1 are two sites to a browser, although they are one machine.
  t.test('a page of another site needs a ticket for each connection', async t => {
    const origin = await serveBlank(t, 'localhost')
    const site = await startSite(t, origin)
    const { page, asked, opened } = await openPage(browser, origin)
    await follow(page, site.gateway().url)
    await publishNext(site, 1)
    await seen(page, 1)

    site.gateway().app.server.closeAllConnections()
    await publishNext(site, 2)
    await seen(page, 2)

    t.same(await page.evaluate('window.seen'), [1, 2])
    t.equal(asked(), 2)
    t.same(
      opened.map(({ status }) => status),
      [200, 401, 200],
    )
  })

  t.test('the page gets an error when its token is refused', async t => {
    const site = await startSite(t)
    const { page } = await openPage(browser, site.gateway().url)

    await follow(page, site.gateway().url, token({ role: 'runner' }))

    await page.waitForFunction(`window.refused?.code === 'role-too-low'`)
  })
})

interface Site {
  gateway(): Gateway
  /** Ends the gateway and starts another one at its address. */
  restart(): Promise<void>
}

async function startSite(t: Test, origins = ''): Promise<Site> {
  const { url: databaseUrl } = await createDatabase(t)
  const env = { CORS_ORIGINS: origins, PORT: `${await freePort()}` }
  let gateway = await startGateway(t, { databaseUrl, env })
  return {
    gateway: () => gateway,
    async restart() {
      await gateway.close()
      gateway = await startGateway(t, { databaseUrl, env })
    },
  }
}

/** @returns the origin of a web server, not the gateway, that has an empty page. */
async function serveBlank(t: Test, host: string): Promise<string> {
  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://${host}:${(server.address() as AddressInfo).port}`
}

/** An empty page of that origin, in a browser profile of its own, and what it has asked the gateway for. */
async function openPage(browser: Browser, origin: string) {
  const page = await (await browser.newContext({ bypassCSP: true })).newPage()
  const opened: { url: string; status: number }[] = []
  let tickets = 0
  page.on('response', response => {
    const { pathname } = new URL(response.url())
    if (pathname === '/api/events') opened.push({ url: response.url(), status: response.status() })
    if (pathname === '/api/stream-tickets' && response.request().method() === 'POST') tickets += 1
  })
  // Any page will do that runs no script of its own.
  await page.goto(`${origin}/openapi.json`)
  return { page, opened, asked: () => tickets }
}

async function follow(page: Page, gateway: string, credentials = token()): Promise<void> {
  await page.evaluate(`${lines}
    window.seen = []
    follow(${JSON.stringify(gateway)}, '/api/events?from=beginning', ${JSON.stringify(credentials)}, {
      types: ['thing.made'],
      event: ({ data }) => window.seen.push(JSON.parse(data).n),
      refused: problem => { window.refused = problem },
    })`)
}

async function publishNext(site: Site, n: number): Promise<void> {
  await until('the gateway takes it', () =>
    succeeds(publish(site.gateway(), { type: 'thing.made', data: { n } })),
  )
}

async function seen(page: Page, count: number): Promise<void> {
  await page.waitForFunction(`window.seen.length >= ${count}`)
}
