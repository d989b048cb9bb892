/**
 * The page of a test service: it shows the logs of a run as texts, counts its results, and merges every other message into its
 * state. Whenever it loads the run anew, it must have what a page has that was never interrupted.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { EventSource } from 'eventsource'
import t from 'tap'
import { as } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'
import { playStory, type SystemClient, send, startReports } from './story.js'

const COOKIE = 'session'
const RUN = 'nightly:2026-11-26'
const POLL_MS = 500
const RELOAD_MS = 200
/** A person reloads the page after so many messages. */
const MESSAGES_PER_LOAD = 60
const RESULT = { passed: 7, failed: 2, total: 9, testsGenerated: 3, error: 'Two tests failed' }
const json = { ...as('editor'), 'content-type': 'application/json' }

type Members = Readonly<Record<string, unknown>>

interface Page {
  readonly logs: readonly string[]
  readonly results: readonly Members[]
  readonly fields: Members
}

interface Report {
  readonly type: string
  readonly data: Members
  /** As the story knows it. */
  readonly text: string
  /** What a page does with it. */
  change(page: Page): Page
}

/** A page that has just loaded the run, and the position of the run's stream at which it did. */
interface Load {
  readonly position: number
  readonly page: Page
}

t.test('pages of a run are whole after every fault and every reload', async t => {
  const reported: { readonly position: number; readonly report: Report }[] = []
  const loads: Load[] = []
  const ends: Page[] = []
  const onLoad = (load: Load) => loads.push(load)
  const onEnd = (page: Page) => ends.push(page)
  let first: Load | undefined

  await playStory(
    t,
    async ({ url }) => {
      const payload = { type: 'e2e', projectId: 'p1', total: 9 }
      await post(`${url}/api/jobs`, { id: RUN, kind: 'run', started: true, payload })
      first = await load(url)
      return {
        clients: {
          'a page with an EventSource': () => livePage(url, { onLoad, onEnd }),
          'a page that is reloaded': () => livePage(url, { onLoad, onEnd, reloads: true }),
          'a page that polls': () => pollingPage(url, { onLoad, onEnd }),
        },
        // Of the updates a page shows the last one.
        shows: (_client, text) => !text.startsWith('update'),
        reports: startReports(t, async n => {
          const report = reportOf(n)
          const { type, data } = report
          const answer = await post(`${url}/api/jobs/${RUN}/events`, { type, data })
          const { events } = Object(await answer.json())
          reported.push({ position: events[0].position, report })
          return report.text
        }),
        async end() {
          await post(`${url}/api/jobs/${RUN}/complete`, { result: RESULT })
        },
      }
    },
    { AUTH_COOKIE: COOKIE },
  )

  const uninterrupted = (upTo: number) =>
    reported
      .filter(({ position }) => position <= upTo)
      .reduce((page, { report }) => report.change(page), first?.page ?? EMPTY)
  const differing = loads.filter(({ position, page }) => !isDeepStrictEqual(page, uninterrupted(position)))
  const last = uninterrupted(Number.POSITIVE_INFINITY)
  const { error: _, ...counts } = RESULT
  const end = shown({ ...last, fields: { ...last.fields, ...counts, status: 'completed' } })
  // Early and late, and after a SIGTERM and a `kill -9`.
  t.ok(loads.length >= 8, `${loads.length} loads`)
  t.strictSame(
    differing.slice(0, 1).map(({ position, page }) => [page, uninterrupted(position)]),
    [],
  )
  t.ok(ends.length >= 9, `${ends.length} ends`)
  t.strictSame(
    ends
      .map(shown)
      .filter(page => !isDeepStrictEqual(page, end))
      .slice(0, 1),
    [],
  )
})

const EMPTY: Page = { logs: [], results: [], fields: {} }

/** The reports of an executor, in each form in which executors make them. */
function reportOf(n: number): Report {
  const line = `line ${n}`
  const log = (type: string, data: Members): Report => ({
    ...{ type, data, text: line },
    change: page => ({ ...page, logs: [...page.logs, line] }),
  })
  const result = { test: `test ${n}`, outcome: n % 2 === 0 ? 'passed' : 'failed' }
  const results = (data: Members): Report => ({
    ...{ type: 'result', data, text: `test ${n}` },
    change: page => ({ ...page, results: [...page.results, result] }),
  })
  const update = (type: string, fields: Members, data: Members = fields): Report => ({
    ...{ type, data, text: `update ${n}` },
    change: page => ({ ...page, fields: { ...page.fields, ...fields } }),
  })
  const step = { currentStep: `Step ${n}` }
  const forms = [
    log('log', { message: line }),
    results(result),
    log('output', { line, stream: 'stdout' }),
    update('run.updated', { ...step, passed: n }),
    results({ result }),
    log('log', { line, level: 'warn' }),
    update('snapshot', { ...step, failed: n }, { run: { ...step, failed: n, id: 'ignored' } }),
  ]
  return forms[n % forms.length] ?? update('run.updated', step)
}

interface Watcher {
  onLoad(load: Load): void
  onEnd(page: Page): void
}

/** Follows the run with EventSource and the cookie; shows what the messages say. */
function livePage(
  url: string,
  { onLoad, onEnd, reloads = false }: Watcher & { reloads?: boolean },
): SystemClient {
  let page = EMPTY
  let ended = false
  let closed = false
  let source: EventSource | undefined
  const open = () => {
    if (closed || ended) return
    let messages = 0
    source = new EventSource(`${url}/api/v1/runs/${RUN}/events`, {
      fetch: (input, init) => {
        const cookie = `theme=dark; ${COOKIE}=${token({ role: 'viewer', sub: 'vera' })}`
        return fetch(input, { ...init, headers: { ...init.headers, cookie } })
      },
    })
    source.onmessage = ({ data, lastEventId }) => {
      const message = Object(JSON.parse(data))
      page = pageAfter(page, message)
      messages += 1
      // The snapshot of a run that has ended has no position.
      if (message.type === 'snapshot' && lastEventId)
        onLoad({ position: Number.parseInt(lastEventId, 10), page })
      if (message.type === 'done') {
        ended = true
        source?.close()
        onEnd(page)
      } else if (reloads && messages === MESSAGES_PER_LOAD) reload()
    }
    source.onerror = () => {
      if (reloads) reload()
    }
  }
  const reload = () => {
    source?.close()
    page = EMPTY
    setTimeout(open, RELOAD_MS)
  }
  open()
  return {
    get seen() {
      return seenOn(page)
    },
    get ended() {
      return ended
    },
    close() {
      closed = true
      source?.close()
    },
  }
}

/** Shows the run as it is when it is read, with the token of the page. */
function pollingPage(url: string, { onLoad, onEnd }: Watcher): SystemClient {
  let page = EMPTY
  let ended = false
  let closed = false
  const poll = async () => {
    while (!ended && !closed) {
      const loaded = await load(url)
      page = loaded.page
      ended = page.fields.endedAt !== null
      if (ended) onEnd(page)
      else onLoad(loaded)
      await pause(POLL_MS)
    }
  }
  // It is asked for what it has seen, which is then too little.
  poll().catch(() => {})
  return {
    get seen() {
      return seenOn(page)
    },
    get ended() {
      return ended
    },
    close() {
      closed = true
    },
  }
}

async function load(url: string): Promise<Load> {
  const response = await send(`${url}/api/v1/runs/${RUN}`, { headers: as('viewer') })
  const position = Number.parseInt(response.headers.get('x-sluice-head') ?? '', 10)
  return { position, page: pageOf(Object(await response.json())) }
}

function pageOf({ logs, results, ...fields }: Members): Page {
  return { logs: Object(logs), results: Object(results), fields }
}

function pageAfter(page: Page, message: Members): Page {
  const { type, ...content } = message
  switch (type) {
    case 'snapshot':
      return pageOf(Object(message.run))
    case 'log':
      return { ...page, logs: [...page.logs, String(message.message)] }
    case 'result':
      return { ...page, results: [...page.results, Object(message.result)] }
    case 'run.updated':
      return { ...page, fields: { ...page.fields, ...Object(message.run) } }
    case 'status':
    case 'done':
      return { ...page, fields: { ...page.fields, ...content } }
    default:
      return page
  }
}

/** Without the fields that only a new snapshot has. */
function shown({ logs, results, fields }: Page): Page {
  const { finishedAt, endedAt, result, error, ...others } = fields
  return { logs, results, fields: others }
}

/** The reports whose effects the page shows, in the order of their numbers. */
function seenOn({ logs, results }: Page): string[] {
  const numberOf = (text: string) => Number(text.slice(text.indexOf(' ')))
  return [...logs, ...results.map(({ test }) => String(test))].sort((a, b) => numberOf(a) - numberOf(b))
}

/** Repeated until it is answered; the key makes that safe. */
async function post(url: string, body: object): Promise<Response> {
  const headers = { ...json, 'idempotency-key': randomUUID() }
  const response = await send(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const repeated = response.status === 409 && url.endsWith('/complete')
  if (!response.ok && !repeated) throw new Error(`${response.status} ${await response.text()}`)
  return response
}
