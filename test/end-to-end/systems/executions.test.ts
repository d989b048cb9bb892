/**
 * Executions of an orchestrator, which posts what its agents do under ids of its own, and pages that follow one with an
 * EventSource and a listener for each name, `error` among them.
 */
import { type ClientRequest, request } from 'node:http'
import { EventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import t from 'tap'
import { as } from '../../harness/gateway.js'
import { playStory, type SystemClient, send, startReports } from './story.js'

const ID = 'exec-1234567890'
const COMPLETE = 'execution-complete'
const json = { ...as('editor'), 'content-type': 'application/json' }

/** What the agents do, again and again. */
const ROUND: ((task: string) => {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
})[] = [
  taskId => ({ type: 'task-start', data: { taskId, progress: 0, total: 2 } }),
  taskId => ({ type: 'agent-chatter', data: { taskId, agent: 'builder', message: 'Compiling' } }),
  taskId => ({ type: 'error', data: { taskId, message: 'The first attempt failed.' } }),
  taskId => ({ type: 'deploy:preview', data: { taskId, urls: ['https://preview.example'], at: null } }),
  taskId => ({ type: 'task-complete', data: { taskId, status: 'done', artifacts: { count: 2 } } }),
]
const TYPES = ROUND.map(make => make('').type)
const END = {
  status: 'partial',
  deliverables: [{ name: 'report.pdf', pages: 12 }],
  summary: { by: 'orchestrator' },
}

t.test('pages and programs have the whole execution after every fault', async t => {
  await playStory(t, async ({ url }) => {
    const created = await send(`${url}/api/executions`, {
      method: 'POST',
      headers: { ...json, 'idempotency-key': ID },
      body: JSON.stringify({ executionId: ID, title: 'Release' }),
    })
    t.equal(created.status, 201)
    const events = `${url}/api/executions/${ID}/events`
    const post = (body: object, key: string) =>
      send(events, {
        method: 'POST',
        headers: { ...json, 'idempotency-key': key },
        body: JSON.stringify(body),
      })
    return {
      clients: {
        'a page': () => page(events),
        'a program': () => program(events),
      },
      reports: startReports(t, async n => {
        const { type, data } = ROUND[n % ROUND.length]?.(`task-${n}`) ?? { type: 'none', data: {} }
        const stored = await post({ type, data }, `report-${n}`)
        if (stored.status !== 201) throw new Error(await stored.text())
        return `${type} ${JSON.stringify(data)}`
      }),
      async end() {
        // If the answer to the first request was lost, the execution has ended.
        const ended = await post({ type: COMPLETE, data: END }, 'end')
        t.ok([200, 409].includes(ended.status), `${ended.status}`)
        const read = await send(`${url}/api/executions/${ID}`, { headers: as('viewer') })
        t.match(await read.json(), { status: 'completed', result: END })
      },
    }
  })
})

/** The last message has what the orchestrator sent, and the id that it left out. */
function isWholeEnd(data: string): boolean {
  return data === JSON.stringify({ executionId: ID, ...END })
}

function page(url: string): SystemClient {
  const seen: string[] = []
  let ended = false
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...as('viewer') } }),
  })
  for (const type of TYPES) {
    source.addEventListener(type, (event: Event) => {
      // The errors of the connection have no data: the EventSource reconnects by itself.
      if ('data' in event) seen.push(`${type} ${event.data}`)
    })
  }
  source.addEventListener(COMPLETE, ({ data }) => {
    ended = isWholeEnd(data)
    source.close()
  })
  return {
    seen,
    get ended() {
      return ended
    },
    close: () => source.close(),
  }
}

/** Reads the response itself, and sends `Last-Event-ID` when it reconnects. It knows no name but that of the end. */
function program(url: string): SystemClient {
  const seen: string[] = []
  let lastId = ''
  let retryMs = 1_000
  let ended = false
  let closed = false
  let open: ClientRequest | undefined
  const connect = () => {
    if (closed || ended) return
    const parser = createParser({
      onEvent({ id, event = 'message', data }) {
        if (id) lastId = id
        if (event === COMPLETE) ended = isWholeEnd(data)
        else if (event !== 'execution-start') seen.push(`${event} ${data}`)
      },
      onRetry: ms => {
        retryMs = ms
      },
    })
    const headers = {
      accept: 'text/event-stream',
      ...(lastId && { 'last-event-id': lastId }),
      ...as('viewer'),
    }
    open = request(url, { headers, agent: false }, response => {
      response
        .setEncoding('utf8')
        .on('data', text => parser.feed(text))
        .on('error', () => {})
    })
    open.on('error', () => {}).on('close', () => setTimeout(connect, retryMs))
    open.end()
  }
  connect()
  return {
    seen,
    get ended() {
      return ended
    },
    close() {
      closed = true
      open?.destroy()
    },
  }
}
