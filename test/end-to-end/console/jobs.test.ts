/** The pages of jobs: a real gateway, a real runner, a real browser. */
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { createDatabase } from '../../harness/database.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { startRunner } from '../../harness/runner-program.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const skip = withoutBrowser()
const editor = token({ role: 'editor' })
const runner = token({ role: 'runner', sub: 'build-7' })
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>`
const ESC = '\u001b'

async function send({ url }: Gateway, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/api/jobs${path}`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as Record<string, unknown>
}

/** A job that the test executes itself. */
async function startJob(gateway: Gateway, job: object = {}): Promise<string> {
  return String((await send(gateway, '', { kind: 'command', started: true, ...job })).id)
}

const output = (line: string, more: object = {}) => ({
  type: 'output',
  data: { line, stream: 'stdout', ...more },
})
const lines = (page: Page) => page.locator('.line .line-text').allTextContents()

t.test('a command is run by keyboard alone, and its output is followed to the end', { skip }, async t => {
  const gateway = await startGateway(t)
  await startRunner(t, gateway.url, { token: runner, args: ['--name', 'build-7'] })
  const { page, errors } = await openConsole(t, { url: gateway.url, place: '#/jobs' })
  await shows(page, '.empty', 'No jobs yet')

  await page.locator('button', { hasText: 'Run a command' }).focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog textarea').first().focus()
  await page.keyboard.type("printf '\\033[31mred\\033[0m\\n'; echo wrong >&2; exit 3")
  await page.keyboard.press('Tab')
  await page.keyboard.type('site')
  await page.keyboard.press('Enter')
  await shows(page, '.outcome', 'The command exited with 3')

  t.strictSame((await lines(page)).sort(), ['Attempt 1 on build-7', 'red', 'wrong'])
  t.equal(await page.locator('.line[data-source=stderr] .line-text').textContent(), 'wrong')
  t.equal(await page.locator('.line .f2').textContent(), 'red')
  await shows(page, '.announcement', 'The command exited with 3')
  await shows(page, 'dd', '1 of 3')
  await shows(page, '.json', 'exit_code')
  t.strictSame(errors, [])
})

t.test('a job without a runner says how to start one, and is cancelled', { skip }, async t => {
  const gateway = await startGateway(t)
  const { id } = await send(gateway, '', { kind: 'command', project: "o'site", payload: { command: 'true' } })
  const { page } = await openConsole(t, { url: gateway.url, place: `#/jobs/${id}` })

  await shows(page, '.notice', `sluice runner --project 'o'\\''site' --dir . --url ${gateway.url}`)
  await page.locator('button', { hasText: 'Cancel the job' }).click()
  await page.locator('dialog button.danger').click()

  await shows(page, '.outcome', 'Somebody cancelled the job.')
  await page.locator('.notice').waitFor({ state: 'detached' })
  await page.locator('button', { hasText: 'Run again' }).click()
  t.equal(await page.locator('dialog textarea').first().inputValue(), 'true')
})

t.test(
  'output arrives while it is written, with progress, and can be searched and saved',
  { skip },
  async t => {
    const gateway = await startGateway(t)
    const id = await startJob(gateway, { title: 'Nightly' })
    const { page } = await openConsole(t, { url: gateway.url, place: `#/jobs/${id}` })
    await shows(page, '.state', 'Live')

    const many = Array.from({ length: 900 }, (_, index) => output(`line ${index}`))
    await send(gateway, `/${id}/events`, many)
    await send(gateway, `/${id}/events`, [
      output(`${ESC}]0;title\u0007${ESC}[32mlast${ESC}[0m`),
      { type: 'progress', data: { done: 3, of: 4 } },
    ])
    await shows(page, '.line', 'last')
    t.equal(await page.locator('progress').getAttribute('value'), '0.75')
    t.ok((await page.locator('.line').count()) < 200, 'only the lines in sight are in the page')

    await page.keyboard.press('/')
    await page.keyboard.type('LINE 4')
    await shows(page, 'output', '111 lines')
    await page.keyboard.press('Enter')
    await shows(page, '.line.revealed', 'line 4')
    t.equal(
      await page.locator('.terminal-bar [type=checkbox]').isChecked(),
      false,
      'the search stays in sight',
    )

    await page.locator('label', { hasText: 'Follow' }).click()
    await send(gateway, `/${id}/events`, [output('later')])
    await shows(page, '.line', 'later')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('button', { hasText: 'Download' }).click(),
    ])
    const saved = await readFile(await download.path(), 'utf8')
    t.equal(saved, `${many.map(({ data }) => data.line).join('\n')}\nlast\nlater\n`)
  },
)

// The last event and the end of the response arrive together: the page must not wait for another connection.
t.test('the output of a job that ended before the page opened is ended at once', { skip }, async t => {
  const gateway = await startGateway(t)
  const id = await startJob(gateway)
  await send(gateway, `/${id}/events`, [output('only line')])
  await send(gateway, `/${id}/cancel`, {})
  const { page } = await openConsole(t, { url: gateway.url, place: `#/jobs/${id}` })

  await shows(page, '.line', 'only line')
  t.equal(await page.locator('.state').getAttribute('data-state'), 'ended')
})

t.test('a job that loses its runner for good says so', { skip }, async t => {
  const gateway = await startGateway(t)
  const { id } = await send(gateway, '', { kind: 'command', max_attempts: 1, payload: { command: 'true' } })
  const claimed = await fetch(`${gateway.url}/api/jobs/claim`, {
    method: 'POST',
    headers: { authorization: `Bearer ${runner}`, 'content-type': 'application/json' },
    body: JSON.stringify({ runner: 'lost', lease_ms: 5_000 }),
  })
  t.equal(claimed.status, 200)
  const { page } = await openConsole(t, { url: gateway.url, place: `#/jobs/${id}` })

  await shows(page, '.outcome', 'The job was interrupted')
  await shows(page, '.outcome', 'Run it again when a runner is there.')
})

t.test('the list shows jobs as they change, and filters them', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page } = await openConsole(t, { url: gateway.url, place: '#/jobs' })
  await shows(page, '.empty', 'No jobs yet')

  const id = await startJob(gateway, { title: 'First' })
  await startJob(gateway, { title: 'Second', kind: 'build' })
  await shows(page, 'th', 'Second')
  await send(gateway, `/${id}/complete`, {})
  await shows(page, 'td', 'completed')

  await page.locator('select').selectOption('completed')
  await page.locator('button', { hasText: 'Apply' }).click()
  await page.locator('th', { hasText: 'Second' }).waitFor({ state: 'detached' })
  await shows(page, 'tbody th', 'First')
  t.strictSame(await page.locator('tbody th').allTextContents(), ['First'])
})

t.test('a followed job continues after the database was gone', { skip }, async t => {
  const proxy = await startProxy(t, (await createDatabase(t)).url)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  const id = await startJob(gateway)
  const { page } = await openConsole(t, { url: gateway.url, place: `#/jobs/${id}` })
  await send(gateway, `/${id}/events`, [output('before')])
  await shows(page, '.line', 'before')

  await proxy.unplug()
  await shows(page, '.state', /degraded|Reconnecting/)
  await proxy.plugIn()
  await until('the gateway is back', async () => (await fetch(`${gateway.url}/ready`)).ok)
  await send(gateway, `/${id}/events`, [output('after')])
  await send(gateway, `/${id}/complete`, {})

  await shows(page, '.outcome', 'The job is completed.')
  t.strictSame(await lines(page), ['Attempt 1', 'before', 'after'], 'each line once')
})

t.test('a viewer follows a job and gets no button that would be refused', { skip }, async t => {
  const gateway = await startGateway(t)
  const id = await startJob(gateway)
  const credentials = token({ role: 'viewer' })
  const { page } = await openConsole(t, { url: gateway.url, credentials, place: `#/jobs/${id}` })
  await shows(page, '.state', 'Live')

  t.strictSame(await page.locator('#main button').allTextContents(), ['Download'])
})

// Attack: text that a command, or the creator of a job, chooses becomes markup or a script in the page of an editor.
t.test('hostile text in every field is text, in every look', { skip }, async t => {
  const gateway = await startGateway(t)
  const id = await startJob(gateway, {
    title: ATTACK,
    project: ATTACK,
    payload: { command: ATTACK, [ATTACK]: ATTACK },
  })
  await send(gateway, `/${id}/events`, [
    output(ATTACK),
    output(`${ESC}]8;;javascript:alert(1)${ESC}\\link${ESC}]8;;${ESC}\\`),
    output(`${ESC}[41m${ATTACK}${ESC}[0m`, { stream: 'stderr' }),
    { type: 'artifact', data: { name: ATTACK, path: ATTACK } },
    { type: 'progress', data: { done: 1, of: 2, message: ATTACK } },
    { type: 'custom', data: { [ATTACK]: ATTACK } },
  ])
  const ended = await startJob(gateway, { title: ATTACK })
  await send(gateway, `/${ended}/fail`, { result: { error: ATTACK } })

  const faults = await lookFaults(t, {
    url: gateway.url,
    credentials: editor,
    places: {
      '#/jobs': page => shows(page, 'th', ATTACK),
      async [`#/jobs/${id}`](page) {
        await shows(page, '.line', 'custom')
        await shows(page, '.state', 'Live')
      },
      [`#/jobs/${ended}`]: page => shows(page, '.outcome', ATTACK),
    },
  })

  t.strictSame(faults, [])
})
