/**
 * Remote commands of a project: a real runner executes real commands, and the documented clients show each line once, then
 * the exit code.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Job } from '../../../src/jobs/job.js'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { createDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { patient } from '../../harness/patience.js'
import { startProcess } from '../../harness/process.js'
import { launchRunner, shortLease, startRunner, temporaryDir } from '../../harness/runner-program.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { buildGoReader, goReader, lineReader, pageClient, shownLine, withoutGo } from './command-clients.js'
import { playStory, type Reports, type SystemClient, send } from './story.js'

const PROJECT = 'site'
const RUNNER = token({ role: 'runner' })
const json = { ...as('editor'), 'content-type': 'application/json' }
/** Every so many lines there is one of control characters. */
const EVERY = 20
const CONTROL_BYTES = 16_384
const CONTROLS = `head -c ${CONTROL_BYTES} /dev/zero | tr '\\0' '\\033'; echo`
const PRINT_UNTIL_STOPPED = `
  n=0
  until [ -e stop ]; do
    n=$((n + 1))
    if [ $((n % ${EVERY})) = 0 ]; then ${CONTROLS}; else echo "line $n"; fi
    echo $n > count.new && mv count.new count
    sleep 0.04
  done
  exit 3`

const go = withoutGo() === false
if (go) buildGoReader()
else t.comment('not run: the Go program, because Go is not installed')
if (withoutBrowser()) t.comment('not run: the page, because Chromium is not installed')

t.test('every line and the exit code are shown after every fault', async t => {
  const dir = await temporaryDir(t)
  const browser = withoutBrowser() ? undefined : await openBrowser(t)
  const context = await browser?.newContext({ bypassCSP: true })
  await playStory(t, async ({ url }) => {
    await startRunner(t, url, { token: RUNNER, dir })
    const openPage = async () => {
      const page = await context?.newPage()
      if (!page) throw new Error('Chromium is not installed.')
      await page.goto(`${url}/openapi.json`)
      return page
    }
    const id = browser
      ? await startInPage(await openPage(), PRINT_UNTIL_STOPPED)
      : await shell(url, { command: PRINT_UNTIL_STOPPED })
    const path = streamOf(id)
    return {
      clients: {
        'a reader of lines': () => lineReader(url + path),
        ...(go && { 'a Go program': () => goReader(url + path) }),
        ...(browser && { 'a page': () => pageClient(openPage, path) }),
      },
      reports: linesIn(dir),
      end: () => until('the command has ended', async () => (await jobOf(url, id)).ended_at !== null, 30_000),
    }
  })
})

t.test('each end of a command is an exit code with its reason, or an error if it never started', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await startProcess(t, { databaseUrl })
  await startRunner(t, url, { token: RUNNER, args: ['--concurrency', '8'] })
  const long = 'x'.repeat(100_000)
  const cancel = (id: string) => post(url, `/api/jobs/${id}/cancel`, {})
  const cases: [name: string, body: object, expected: string[], act?: (id: string) => Promise<unknown>][] = [
    ['success', { command: 'echo a' }, ['a', 'exit 0 in ms {}']],
    ['failure', { command: 'echo a; exit 3' }, ['a', 'exit 3 in ms {}']],
    ['signal', { command: 'echo a; kill -SEGV $$' }, ['a', 'exit 139 in ms {"signal":"SIGSEGV"}']],
    [
      'timeout',
      { command: 'echo a; sleep 1000', timeout_ms: patient(2_000) },
      ['a', 'exit 124 in ms {"reason":"timeout"}'],
    ],
    ['cancelled', { command: 'echo a; sleep 1000' }, ['a', 'exit 143 in ms {"reason":"cancelled"}'], cancel],
    [
      'control characters',
      { command: `${CONTROLS}; echo a` },
      [shownLine('\x1b'.repeat(CONTROL_BYTES)), 'a', 'exit 0 in ms {}'],
    ],
  ]

  const shows = cases.map(async ([name, body, expected, act]) => {
    const id = await shell(url, body)
    const clients = follow(t, url, id)
    if (act) {
      await until('all clients show the first line', () => clients.every(({ seen }) => seen.length > 0))
      await act(id)
    }
    await ended(clients)
    return clients.map(({ seen }) => ({ name, seen, expected }))
  })
  const found = (await Promise.all(shows)).flat()
  t.strictSame(
    found.filter(({ seen, expected }) => JSON.stringify(seen) !== JSON.stringify(expected)),
    [],
  )

  const queued = await shell(url, { command: 'true' }, 'nowhere')
  await cancel(queued)
  const never = follow(t, url, queued, 'nowhere')
  await ended(never)
  for (const { seen } of never) {
    t.strictSame(seen, ['error {"message":"The command was cancelled before it started."}'])
  }

  const foreign = await shell(url, { command: 'true' }, 'nowhere')
  const watching = follow(t, url, foreign, 'nowhere')
  await post(url, `/api/jobs/${foreign}/events`, { type: 'output', data: { line: long, stream: 'stdout' } })
  await post(url, `/api/jobs/${foreign}/events`, { type: 'progress', data: { text: long } })
  await cancel(foreign)
  await ended(watching)
  for (const { seen } of watching) t.match(seen[0], /^\d{5} times "x" \(truncated\)$/)
})

t.test('a command whose runner is lost ends as interrupted', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await startProcess(t, { databaseUrl })
  const runner = await launchRunner(t, url, { token: RUNNER, args: ['--lease', shortLease()] })
  const job = {
    kind: 'command',
    project: PROJECT,
    max_attempts: 1,
    payload: { command: 'echo a; sleep 1000' },
  }
  const { id } = Object(await post(url, '/api/jobs', job))
  const clients = follow(t, url, id)
  await until('all clients show the line', () => clients.every(({ seen }) => seen.length > 0), 30_000)

  runner.signal('SIGKILL')
  await ended(clients)

  for (const { seen } of clients) t.strictSame(seen, ['a', 'exit 255 in ms {"reason":"interrupted"}'])
})

/** The lines that the command has printed, and its end. It counts them in a file. */
function linesIn(dir: string): Reports {
  const exit: string[] = []
  const counted = () =>
    existsSync(join(dir, 'count')) ? Number(readFileSync(join(dir, 'count'), 'utf8')) : 0
  return {
    get stored() {
      const lines = Array.from({ length: counted() }, (_, at) =>
        (at + 1) % EVERY === 0 ? shownLine('\x1b'.repeat(CONTROL_BYTES)) : `line ${at + 1}`,
      )
      return [...lines, ...exit]
    },
    async stop() {
      writeFileSync(join(dir, 'stop'), '')
      exit.push('exit 3 in ms {}')
    },
  }
}

function streamOf(id: string, project = PROJECT): string {
  return `/projects/${project}/events?stream_id=${id}`
}

function follow(t: Test, url: string, id: string, project = PROJECT): SystemClient[] {
  const stream = url + streamOf(id, project)
  const clients = [lineReader(stream), ...(go ? [goReader(stream)] : [])]
  t.teardown(() => {
    for (const client of clients) client.close()
  })
  return clients
}

function ended(clients: readonly SystemClient[]): Promise<void> {
  return until('every client shows the end', () => clients.every(client => client.ended), 60_000)
}

async function jobOf(url: string, id: string): Promise<Job> {
  return (await (await send(`${url}/api/jobs/${id}`, { headers: as('viewer') })).json()) as Job
}

async function shell(url: string, body: object, project = PROJECT): Promise<string> {
  const { data } = Object(await post(url, `/projects/${project}/shell`, body))
  return data.id
}

async function post(url: string, path: string, body: object): Promise<unknown> {
  const response = await send(url + path, { method: 'POST', headers: json, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return await response.json()
}

/** The first of the two documented calls of a page; the second is its EventSource. */
async function startInPage(page: Page, command: string): Promise<string> {
  return await page.evaluate<string>(`
    fetch('/projects/${PROJECT}/shell', {
      method: 'POST',
      headers: { authorization: 'Bearer ${token({ role: 'editor' })}', 'content-type': 'application/json' },
      body: JSON.stringify({ command: ${JSON.stringify(command)} }),
    }).then(async response => (await response.json()).data.id)`)
}
