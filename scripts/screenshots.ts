/**
 * `npm run screenshots`: takes the pictures of docs/images/ anew, from a gateway of its own that has played the demo for some
 * minutes, so that the overview has something to show. Needs Chromium: in PATH, or set CHROMIUM.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Browser, chromium } from 'playwright-core'
import { playDemo } from '../server/demo.js'
import { startTestGateway, type TestGateway } from '../server/testing.js'
import { packageRoot } from '../src/process/package-root.js'

const USAGE = `Usage: npm run screenshots [-- MINUTES]

Plays the demo for MINUTES (default 5), then writes docs/images/console*.png.`

const FLAGS = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu']
const FOLDER = join(packageRoot, 'docs/images')
const WORKSPACE = 'demo'
const WIDE = { width: 1240, height: 760 }
const CLIENTS = 24
const ESC = '\u001b['

interface Picture {
  readonly name: string
  readonly place: string
  /** Is pressed before. */
  readonly open?: string
  /** In the page when the picture can be taken. */
  readonly ready: string
  readonly dark?: boolean
  readonly viewport?: { readonly width: number; readonly height: number }
}

const [minutes = '5', ...others] = process.argv.slice(2)
if (others.length > 0 || !(Number(minutes) >= 0)) {
  console.error(USAGE)
  process.exitCode = 2
} else await takeAll(Number(minutes) * 60_000)

async function takeAll(playMs: number): Promise<void> {
  const gateway = await startTestGateway()
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium'
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  const onError = (error: unknown) => console.error(error)
  const demo = playDemo(gateway.sluice.items ?? never(), { workspace: WORKSPACE, meanPauseMs: 350, onError })
  const leaving = new AbortController()
  try {
    const [job] = await Promise.all([runJob(gateway), comeAndGo(gateway, playMs, leaving.signal)])
    for (const picture of pictures(job)) await take(browser, gateway, picture)
  } finally {
    leaving.abort()
    await demo.close()
    await browser.close()
    await gateway.close()
  }
}

function pictures(job: string): Picture[] {
  return [
    { name: 'console', place: '#/feed', ready: '.actor' },
    {
      name: 'console-event',
      place: '#/feed',
      open: '[data-index="4"]',
      ready: '.details dd:has-text("by item")',
      dark: true,
    },
    {
      name: 'console-overview',
      place: '#/overview',
      ready: '.uplot',
      viewport: { width: 1240, height: 800 },
    },
    { name: 'console-job', place: `#/jobs/${job}`, ready: '.line' },
    { name: 'console-phone', place: '#/feed', ready: '.actor', viewport: { width: 390, height: 760 } },
  ]
}

async function take(browser: Browser, gateway: TestGateway, picture: Picture): Promise<void> {
  const { name, place, open, ready, dark = false, viewport = WIDE } = picture
  const page = await browser.newPage({
    viewport,
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    locale: 'en-GB',
  })
  await page.goto(`${gateway.url}/#token=${tokenOf(gateway, 'admin')}`)
  await page.locator('.shell').waitFor()
  await page.evaluate(`location.hash = ${JSON.stringify(place)}`)
  if (open) {
    // Until the list has all that there is, its rows move.
    await page.locator('.state[data-state="live"]').waitFor()
    await page.locator(open).click()
  }
  await page.locator(ready).first().waitFor()
  const path = join(FOLDER, `${name}.png`)
  await page.screenshot({ path })
  await page.close()
  console.log(path)
}

/** Clients that follow the feed, a few more or less of them all the time. */
async function comeAndGo(gateway: TestGateway, playMs: number, signal: AbortSignal): Promise<void> {
  const end = Date.now() + playMs
  const open: AbortController[] = []
  while (Date.now() < end) {
    const wanted = Math.round(CLIENTS * (0.7 + 0.3 * Math.sin(Date.now() / 45_000)))
    if (open.length < wanted) {
      const client = new AbortController()
      open.push(client)
      void follow(gateway, AbortSignal.any([client.signal, signal]))
    } else open.shift()?.abort()
    await pause(1_500)
  }
}

async function follow(gateway: TestGateway, signal: AbortSignal): Promise<void> {
  const headers = { authorization: `Bearer ${tokenOf(gateway, 'viewer')}`, accept: 'text/event-stream' }
  try {
    const response = await fetch(`${gateway.url}/api/events`, { headers, signal })
    for await (const _ of response.body ?? []);
  } catch {
    // It has left.
  }
}

/** A job with output in colours, which goes on. @returns its id. */
async function runJob(gateway: TestGateway): Promise<string> {
  const job = { kind: 'command', project: 'website', title: 'Build and test', started: true }
  const { id } = await send(gateway, 'api/jobs', { ...job, payload: { command: 'npm run check' } })
  const lines = [
    `${ESC}1m> website@4.2.0 check${ESC}0m`,
    '> npm run build && npm test',
    '',
    `${ESC}36mvite v8.3.8 ${ESC}32mbuilding for production…${ESC}0m`,
    `${ESC}32m✓${ESC}0m 412 modules transformed.`,
    `dist/index.html            ${ESC}2m0.62 kB${ESC}0m`,
    `dist/assets/index-C7a.css  ${ESC}2m10.41 kB${ESC}0m`,
    `dist/assets/index-Dk2.js   ${ESC}2m86.07 kB${ESC}0m`,
    `${ESC}32m✓ built in 1.84s${ESC}0m`,
    '',
    ...['cart', 'checkout', 'prices', 'search', 'sessions'].map(
      (name, n) =>
        `${ESC}32m✓${ESC}0m test/${name}.test.ts ${ESC}2m(${12 + 7 * n} tests) ${38 + 11 * n} ms${ESC}0m`,
    ),
    `${ESC}33m!${ESC}0m test/mail.test.ts ${ESC}2m(4 tests, 1 skipped) 61 ms${ESC}0m`,
  ]
  const events = lines.map(line => ({ type: 'output', data: { line, stream: 'stdout' } }))
  const progress = { type: 'progress', data: { done: 62, of: 90, text: '62 of 90 tests' } }
  await send(gateway, `api/jobs/${id}/events`, [...events, progress])
  return String(id)
}

async function send(gateway: TestGateway, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${gateway.url}/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenOf(gateway, 'editor')}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as Record<string, unknown>
}

function tokenOf(gateway: TestGateway, role: 'viewer' | 'editor' | 'admin'): string {
  return gateway.token({ id: 'ada', workspace: WORKSPACE, role })
}

function never(): never {
  throw new Error('The gateway serves no items.')
}
