/** The two calls of a page that runs a remote command, in a real browser: POST …/shell, then a plain EventSource without a header. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { openBrowser, withoutBrowser } from '../harness/browser.js'
import { createDatabase } from '../harness/database.js'
import { type Gateway, startGateway } from '../harness/gateway.js'
import { freePort } from '../harness/port.js'
import { token } from '../harness/tokens.js'
import { succeeds, until } from '../harness/until.js'

const skip = withoutBrowser()
const RUNNER = { id: 'build-7', workspace: 'acme' }

t.test('in Chromium', { skip }, async t => {
  const browser = await openBrowser(t)

  t.test('a page follows the command that it has started, over a restart, to its exit code', async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const env = { PORT: `${await freePort()}` }
    const first = await startGateway(t, { databaseUrl, env })
    const page = await openPage(browser, first.url)
    const id = await run(page, first.url, 'make')
    await connected(page, id)
    const attempt = await claim(first, id)
    await report(first, id, attempt, 'one')
    await seen(page, id, 1)

    await first.close()
    const second = await startGateway(t, { databaseUrl, env })
    await report(second, id, attempt, 'two')
    await second.app.jobs.finish(
      RUNNER,
      id,
      'completed',
      { result: { exit_code: 0, duration_ms: 5 } },
      attempt,
    )
    await page.waitForFunction(`window.streams[${JSON.stringify(id)}].complete`)

    t.same(await page.evaluate(`window.streams[${JSON.stringify(id)}]`), {
      lines: ['one', 'two'],
      complete: { exit_code: 0, duration_ms: 5 },
    })
    t.equal(await page.evaluate('document.cookie'), '', 'no script sees the cookie')
  })

  t.test('several commands of one page at the same time', async t => {
    const gateway = await startGateway(t)
    const page = await openPage(browser, gateway.url)
    const ids = [await run(page, gateway.url, 'a'), await run(page, gateway.url, 'b')]

    for (const id of ids) {
      await connected(page, id)
      await report(gateway, id, await claim(gateway, id), `of ${id}`)
    }
    for (const id of ids) await seen(page, id, 1)
    gateway.app.server.closeAllConnections()
    for (const id of ids) await connected(page, id, 2)

    for (const id of ids) t.same(await page.evaluate(`window.streams['${id}'].lines`), [`of ${id}`])
  })

  t.test('a page of another, listed origin of the same site, with credentials', async t => {
    const origin = await serveBlank(t, '127.0.0.1')
    const gateway = await startGateway(t, { env: { CORS_ORIGINS: origin } })
    const page = await openPage(browser, origin)

    const id = await run(page, gateway.url, 'make')

    await connected(page, id)
  })

  // Attack: a page of another site, which its reader visits while logged in, opens the stream in the reader's browser.
  t.test(
    'a page of another site has nothing of the cookie, and a page of an unlisted origin cannot read',
    async t => {
      const gateway = await startGateway(t)
      const page = await openPage(browser, gateway.url)
      const id = await run(page, gateway.url, 'make')
      await connected(page, id)
      const stream = `${gateway.url}/projects/website/events?stream_id=${id}`

      const cookies: (string | undefined)[] = []
      gateway.app.server.on('request', ({ headers }) => cookies.push(headers.cookie))
      for (const host of ['localhost', '127.0.0.1']) {
        const evil = await page.context().newPage()
        await evil.goto(await serveBlank(t, host))
        await evil.evaluate(`
        window.heard = 0
        const source = new EventSource(${JSON.stringify(stream)}, { withCredentials: true })
        source.addEventListener('connected', () => { window.heard += 1 })
        source.onerror = () => { window.refused = true }`)
        await evil.waitForFunction('window.refused')
        t.equal(await evil.evaluate('window.heard'), 0, host)
      }
      t.equal(cookies.length, 2)
      t.equal(cookies[0], undefined, 'the browser does not send the cookie from another site')
    },
  )
})

/** An empty page of that origin, in a browser profile of its own. */
async function openPage(browser: Browser, origin: string): Promise<Page> {
  const page = await (await browser.newContext({ bypassCSP: true })).newPage()
  await page.goto(`${origin}/openapi.json`)
  await page.evaluate('window.streams = {}')
  return page
}

/** The documented calls. @returns the id of the stream. */
async function run(page: Page, gateway: string, command: string): Promise<string> {
  return await page.evaluate(`(async () => {
    const response = await fetch('${gateway}/projects/website/shell', {
      method: 'POST',
      credentials: 'include',
      headers: { authorization: 'Bearer ${token({ role: 'editor' })}', 'content-type': 'application/json' },
      body: JSON.stringify({ command: ${JSON.stringify(command)} }),
    })
    const { data } = await response.json()
    const stream = (window.streams[data.id] = { lines: [] })
    window.opened ??= {}
    window.opened[data.id] = 0
    const source = new EventSource('${gateway}/projects/website/events?stream_id=' + data.id, {
      withCredentials: location.origin !== '${gateway}',
    })
    source.onopen = () => { window.opened[data.id] += 1 }
    source.addEventListener('output', ({ data }) => stream.lines.push(JSON.parse(data).line))
    source.addEventListener('complete', ({ data }) => {
      stream.complete = JSON.parse(data)
      source.close()
    })
    return data.id
  })()`)
}

async function connected(page: Page, id: string, times = 1): Promise<void> {
  await page.waitForFunction(`window.opened[${JSON.stringify(id)}] >= ${times}`)
}

async function seen(page: Page, id: string, lines: number): Promise<void> {
  await page.waitForFunction(`window.streams[${JSON.stringify(id)}].lines.length >= ${lines}`)
}

async function claim({ app }: Gateway, id: string): Promise<{ attempt: number; holder: string }> {
  const claim = { runner: 'build-7', projects: ['website'], lease_ms: 60_000 }
  const job = await app.jobs.claim(RUNNER, claim, new AbortController().signal)
  if (job?.id !== id) throw new Error(`Claimed ${job?.id}, not ${id}.`)
  return { attempt: job.attempt, holder: RUNNER.id }
}

async function report(
  { app }: Gateway,
  id: string,
  fence: { attempt: number; holder: string },
  line: string,
): Promise<void> {
  await until('the gateway takes it', () =>
    succeeds(app.jobs.append(RUNNER, id, [{ type: 'output', data: { line, stream: 'stdout' } }], fence)),
  )
}

/** @returns the origin of a web server, not the gateway, that has an empty page. */
async function serveBlank(t: Test, host: string): Promise<string> {
  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://${host}:${(server.address() as AddressInfo).port}`
}
