/**
 * Runner jobs of a command line, which follows a job that an executor reports step by step, prints each event, takes `error` for
 * a fault after which it goes on, and ends with `stream.complete`.
 */
import { type ClientRequest, request } from 'node:http'
import t from 'tap'
import { as } from '../../harness/gateway.js'
import { playStory, type SystemClient, send, startReports } from './story.js'

const ID = 'build:website.42'
const TYPES = ['job.queued', 'step.started', 'step.output', 'build.artifact.uploaded', 'step.completed']
/** The gateway's own reports on the job, which the executor does not make. */
const STATUS = ['job.created', 'job.started', 'job.completed']
const RECONNECT_MS = 200
const json = { ...as('editor'), 'content-type': 'application/json' }

t.test('a command line prints every step after every fault, and ends with the job', async t => {
  const faults: string[] = []
  await playStory(t, async ({ url }) => {
    const post = (path: string, body: object, key: string) =>
      send(`${url}${path}`, {
        method: 'POST',
        headers: { ...json, 'idempotency-key': key },
        body: JSON.stringify(body),
      })
    const created = await post('/api/jobs', { id: ID, kind: 'build', started: true }, 'create')
    t.equal(created.status, 201)
    const stream = `${url}/runner-jobs/${ID}/events/stream`
    return {
      clients: { 'a command line': () => commandLine(stream, code => faults.push(code)) },
      reports: startReports(t, async n => {
        const report = { type: TYPES[n % TYPES.length] ?? '', data: { step: `step-${n}` } }
        const stored = await post(`/api/jobs/${ID}/events`, report, `report-${n}`)
        if (stored.status !== 201) throw new Error(await stored.text())
        return `${report.type} ${JSON.stringify(report.data)}`
      }),
      async end() {
        // If the answer to the first request was lost, the job has ended.
        const ended = await post(`/api/jobs/${ID}/complete`, { result: { exit_code: 0 } }, 'end')
        t.ok([200, 409].includes(ended.status), `${ended.status}`)
      },
    }
  })
  t.ok(faults.includes('degraded'), `the fault of the database was printed: ${faults}`)
})

/** Reads line by line, as shell scripts and small programs do. */
function commandLine(url: string, onFault: (code: string) => void): SystemClient {
  const seen: string[] = []
  let lastId = ''
  let ended = false
  let closed = false
  let open: ClientRequest | undefined

  const onEvent = (event: string, data: string) => {
    if (event === 'error') onFault(JSON.parse(data).code)
    else if (event === 'stream.complete') ended = JSON.parse(data).status === 'completed'
    else if (!STATUS.includes(event)) seen.push(`${event} ${data}`)
  }
  const connect = () => {
    if (closed || ended) return
    const headers = { ...(lastId && { 'last-event-id': lastId }), ...as('viewer') }
    open = request(url, { headers, agent: false }, response => {
      let rest = ''
      let [event, data, id] = ['', '', '']
      response.setEncoding('utf8').on('error', () => {})
      response.on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const value = line.slice(line.indexOf(': ') + 2)
          if (line.startsWith('id: ')) id = value
          else if (line.startsWith('event: ')) event = value
          else if (line.startsWith('data: ')) data = value
          else if (line === '') {
            if (id !== '') lastId = id
            if (event !== '') onEvent(event, data)
            event = ''
          }
        }
      })
    })
    open.on('error', () => {}).on('close', () => setTimeout(connect, RECONNECT_MS))
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
