/** The hooks in React 18 and 19, in strict mode, in front of a real gateway. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import type { Test } from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { serveClientPages } from '../../../harness/client-pages.js'
import { createDatabase } from '../../../harness/database.js'
import { as, publish } from '../../../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../../../harness/process.js'
import { token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const COMPONENT = join(packageRoot, 'test/end-to-end/clients/typescript/panel.jsx')
const REACT_19 = join(packageRoot, 'test/react-19')

export async function testReact(t: Test, browser: Browser): Promise<void> {
  await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund'], { cwd: REACT_19 })
  for (const [version, folder] of [
    ['18', packageRoot],
    ['19', REACT_19],
  ] as const) {
    await t.test(`React ${version}: useFeed and useJob`, async t => testHooks(t, browser, folder, version))
  }
}

async function testHooks(t: Test, browser: Browser, folder: string, version: string): Promise<void> {
  const react = (name: string) => join(folder, 'node_modules', name)
  const alias = { react: react('react'), 'react-dom': react('react-dom') }
  const component = `${await readFile(COMPONENT, 'utf8')}\nexport { version } from 'react'`
  const site = await serveClientPages(t, component, '', alias)
  const { url: databaseUrl } = await createDatabase(t)
  const env = { CORS_ORIGINS: site.origin }
  const gateway = await startProcess(t, { databaseUrl, env })
  const page = await browser.newPage()
  page.on('pageerror', error => t.fail(error.message))
  await page.goto(site.origin)
  t.match(await page.evaluate('sluice.version'), new RegExp(`^${version}\\.`))
  const show = (props: object) =>
    page.evaluate(
      `sluice.show(${JSON.stringify({ url: gateway.url, token: token({ role: 'editor' }), ...props })})`,
    )
  const feed = { types: ['n'], keep: 3, last: 10 }

  await show(feed)
  await status(page, 'live')
  await publish(gateway, numbers(1, 5))
  await shows(page, 'events', [3, 4, 5])
  await until('strict mode mounts twice, and leaves one stream', async () => (await opened(gateway)) === 1)

  const before = await connections(gateway)
  await show(feed)
  await publish(gateway, numbers(6, 1))
  await shows(page, 'events', [4, 5, 6])
  t.strictSame(await connections(gateway), before, 'equal options keep the stream')

  await gateway.kill()
  await status(page, 'reconnecting')
  const back = await startProcess(t, { databaseUrl, env, port: gateway.port })
  await publish(back, numbers(7, 1))
  await shows(page, 'events', [5, 6, 7])
  await status(page, 'live')
  t.strictSame(await page.evaluate('sluice.handled'), [1, 2, 3, 4, 5, 6, 7])

  await show({ types: ['n'], from: '999.aaaaaa' })
  await status(page, 'behind')
  await publish(back, numbers(8, 1))
  await shows(page, 'events', [8])
  await status(page, 'behind')

  await show({ ...feed, types: ['other'] })
  await shows(page, 'events', [])
  await status(page, 'live')
  await page.evaluate('sluice.hide()')
  await until('the stream of an unmounted component is closed', async () => (await opened(back)) === 0)

  const job = await create(back)
  await show({ kind: 'job', id: job })
  await status(page, 'live')
  await fetch(`${back.url}/api/jobs/${job}/cancel`, { method: 'POST', headers: as('editor') })
  await status(page, 'ended')
  t.match(await page.evaluate('sluice.shown'), {
    end: { job_id: job, status: 'cancelled' },
    events: ['job.created', 'job.cancelled'],
  })

  await show({ kind: 'job', id: 'no-such-job' })
  await status(page, 'refused')
  t.equal(await page.evaluate('sluice.shown.error'), 'not-found')
  await page.close()
}

function numbers(first: number, count: number): { type: string; data: object }[] {
  return Array.from({ length: count }, (_, index) => ({ type: 'n', data: { n: first + index } }))
}

async function create(gateway: GatewayProcess): Promise<string> {
  const response = await fetch(`${gateway.url}/api/jobs`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'command', payload: { command: 'true' } }),
  })
  const { id } = (await response.json()) as { id: string }
  return id
}

async function connections(gateway: GatewayProcess): Promise<string[]> {
  const response = await fetch(`${gateway.url}/api/clients`, { headers: as('admin') })
  const { clients } = (await response.json()) as { clients: { connection: string }[] }
  return clients.map(({ connection }) => connection)
}

/** How many streams the gateway serves; one that has ended may still be counted for a moment. */
async function opened(gateway: GatewayProcess): Promise<number> {
  return (await connections(gateway)).length
}

async function status(page: Page, expected: string): Promise<void> {
  let seen: unknown
  await until(`the status is ${expected}, not ${seen}`, async () => {
    seen = await page.evaluate('sluice.shown.status')
    return seen === expected
  })
}

async function shows(page: Page, member: string, expected: readonly unknown[]): Promise<void> {
  await until(`${member} are ${JSON.stringify(expected)}`, async () => {
    const seen = await page.evaluate(`sluice.shown.${member}`)
    return JSON.stringify(seen) === JSON.stringify(expected)
  })
}
