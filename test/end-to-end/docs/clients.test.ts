/** The programs of the README and of docs/first-steps.md are complete: they run as they stand there. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { fences, read, section } from '../../harness/document.js'
import { type NewcomersGateway, startNewcomersGateway, startScript } from '../../harness/newcomer.js'
import { patienceSignal } from '../../harness/patience.js'
import { freePort } from '../../harness/port.js'

const SSE_PLUGIN = new URL('../../../plugins/sse.js', import.meta.url).href
const DEADLINE_MS = 15_000

t.test('the page lives in a browser', { skip: withoutBrowser() }, async t => {
  const site = await serve(t)
  const gateway = await startNewcomersGateway(t, { CORS_ORIGINS: site.origin })
  site.page = program('docs/first-steps.md', '## A browser page', 'html').replace(
    'http://127.0.0.1:8080',
    gateway.url,
  )
  await publish(gateway, 'item.created')
  const browser = await openBrowser(t)
  const page = await browser.newPage()

  await page.goto(`${site.origin}/page.html#token=${gateway.viewerToken}`)
  await page.getByText(/^1\.\w{6} item\.created/).waitFor()
  await publish(gateway, 'item.updated')
  await page.getByText(/^2\.\w{6} item\.updated/).waitFor()

  t.equal(await page.locator('li').count(), 2)
})

t.test('the page reports that the gateway does not allow its origin', { skip: withoutBrowser() }, async t => {
  const site = await serve(t)
  const gateway = await startNewcomersGateway(t)
  site.page = program('docs/first-steps.md', '## A browser page', 'html').replace(
    'http://127.0.0.1:8080',
    gateway.url,
  )
  const browser = await openBrowser(t)
  const page = await browser.newPage()

  await page.goto(`${site.origin}/page.html#token=${gateway.viewerToken}`)

  await page
    .getByText(`Refused: no answer. Is the gateway there, and ${site.origin} in its CORS_ORIGINS?`)
    .waitFor()
})

t.test('the Node client receives the events that it requests', async t => {
  const gateway = await startNewcomersGateway(t)
  await publish(gateway, 'door.opened')

  const source = program('docs/first-steps.md', '## Node', 'js').replace('http://127.0.0.1:8080', gateway.url)
  const client = startScript(t, source, { VIEWER_TOKEN: gateway.viewerToken })
  await client.prints(/^1\.\w{6} door\.opened \{ door: 7 \}$/m)
  await publish(gateway, 'door.closed')

  await client.prints(/^2\.\w{6} door\.closed \{ door: 7 \}$/m)
})

t.test('the Fastify app ticks', async t => {
  const port = await freePort()
  const source = program('README.md', '## Embed it', 'js')
    .replace('sluice/sse', fileURLToPath(SSE_PLUGIN))
    .replace('3000', `${port}`)

  await startScript(t, `${source}\nconsole.log('listening')`).prints(/listening/)
  const response = await fetch(`http://127.0.0.1:${port}/clock`, { signal: patienceSignal(DEADLINE_MS) })

  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (text.match(/^event: tick\ndata: \d{4}-.*Z$/gm)?.length === 2) break
  }
  t.equal(response.headers.get('content-type'), 'text/event-stream')
})

function program(page: string, heading: string, language: string): string {
  const found = fences(section(read(page), heading)).find(({ info }) => info === language)
  if (!found) throw new Error(`${page} has no ${language} under "${heading}".`)
  return found.text
}

/** A web server with one page, of an origin that is not the gateway's. */
async function serve(t: Test): Promise<{ readonly origin: string; page: string }> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8').end(site.page)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const site = { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, page: '' }
  return site
}

async function publish({ url, editorToken }: NewcomersGateway, type: string): Promise<void> {
  const response = await fetch(`${url}/api/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${editorToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type, data: { door: 7 } }),
  })
  if (response.status !== 201) throw new Error(await response.text())
}
