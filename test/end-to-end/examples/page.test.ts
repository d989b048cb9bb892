/** examples/javascript/page.html in a real browser, from a web server that is not the gateway's. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { createDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { startProcess } from '../../harness/process.js'
import { startRunner, temporaryDir } from '../../harness/runner-program.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()

t.test('the page shows a command waiting, running and done, each line once', { skip }, async t => {
  const { gateway, origin, restart } = await startSite(t)
  const { page, answers } = await openPage(t, origin, gateway.url)
  const dir = await temporaryDir(t)
  const wait = 'until [ -e go-on ]; do sleep 0.05; done'

  await runCommand(page, `seq 3; echo '<b>bold</b>' >&2; ${wait}; seq 4 6; exit 3`)
  await untilState(page, /^queued$/)
  await startSiteRunner(t, gateway.url, dir)
  await untilState(page, /^running$/)
  await page.getByText('<b>bold</b>').waitFor()
  await gateway.kill()
  await writeFile(join(dir, 'go-on'), '')
  await restart()
  await untilState(page, /^done: exit status 3 after \d+ ms$/)

  t.same((await page.locator('.stdout').allTextContents()).join(''), '1\n2\n3\n4\n5\n6\n')
  t.same(await page.locator('.stderr').allTextContents(), ['<b>bold</b>\n'])
  t.equal(await page.locator('pre b').count(), 0, 'what a command writes is text')
  t.same(answers, [200, 200], 'after the end it asks no more')
})

t.test('the page continues with a new ticket when the first one has expired', { skip }, async t => {
  const { gateway, origin, pool, restart } = await startSite(t)
  const { page, answers } = await openPage(t, origin, gateway.url)
  const dir = await temporaryDir(t)

  await startSiteRunner(t, gateway.url, dir)
  await runCommand(page, 'seq 3; until [ -e go-on ]; do sleep 0.05; done; seq 4 6')
  await page.getByText('3\n').last().waitFor()
  await pool.query('update sluice.stream_tickets set good_until = clock_timestamp()')
  await gateway.kill()
  await writeFile(join(dir, 'go-on'), '')
  await restart()
  await untilState(page, /^done: exit status 0 after \d+ ms$/)

  t.same((await page.locator('.stdout').allTextContents()).join(''), '1\n2\n3\n4\n5\n6\n')
  t.same(answers, [200, 401, 200])
})

t.test('the page shows that a command was cancelled, and asks no more', { skip }, async t => {
  const { gateway, origin } = await startSite(t)
  const { page, answers } = await openPage(t, origin, gateway.url)

  const started = page.waitForResponse(response => response.request().method() === 'POST')
  await runCommand(page, 'true')
  const { data } = await (await started).json()
  await untilState(page, /^queued$/)
  await fetch(`${gateway.url}/api/jobs/${data.id}/cancel`, { method: 'POST', headers: as('editor') })

  await untilState(page, /^done: no exit status$/)
  t.same(await page.locator('.notice').allTextContents(), ['The command was cancelled before it started.\n'])
  t.same(answers, [200])
})

t.test('the page shows why it is refused', { skip }, async t => {
  const { gateway, origin } = await startSite(t)
  const { page } = await openPage(t, origin, gateway.url, token())

  await runCommand(page, 'true')

  await untilState(page, /^refused: .*role/)
})

async function startSite(t: Test) {
  const origin = await serveExamples(t)
  const { url: databaseUrl, pool } = await createDatabase(t)
  const env = { CORS_ORIGINS: origin }
  let gateway = await startProcess(t, { databaseUrl, env })
  const { port } = gateway
  t.teardown(() => gateway.kill())
  return {
    gateway,
    origin,
    pool,
    async restart() {
      gateway = await startProcess(t, { databaseUrl, port, env })
    },
  }
}

/** @returns the origin of a web server for the page. */
async function serveExamples(t: Test): Promise<string> {
  const page = await readFile(join(packageRoot, 'examples/javascript/page.html'))
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The page with its form filled, and the statuses of its streams so far. */
async function openPage(t: Test, origin: string, url: string, credentials = token({ role: 'editor' })) {
  const browser = await openBrowser(t)
  const page = await browser.newPage()
  const answers: number[] = []
  page.on('response', response => {
    if (response.url().includes('/events?')) answers.push(response.status())
  })
  await page.goto(`${origin}/#${new URLSearchParams({ url, project: 'site', token: credentials })}`)
  return { page, answers }
}

async function runCommand(page: Page, command: string): Promise<void> {
  await page.getByLabel('Command').fill(command)
  await page.getByRole('button', { name: 'Run' }).click()
}

async function untilState(page: Page, state: RegExp): Promise<void> {
  await page.locator('#state').filter({ hasText: state }).waitFor()
}

async function startSiteRunner(t: Test, url: string, dir: string): Promise<void> {
  await startRunner(t, url, { token: token({ role: 'runner' }), dir })
}
