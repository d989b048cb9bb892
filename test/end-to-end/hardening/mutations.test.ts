/**
 * Requests as the API's description has them, changed at random in their path, query, headers and body, sent with the credentials of
 * every role, some of them several at once, half, or with a head that is too long. SLUICE_SEED repeats the requests of a run.
 *
 * Left out are what would change the test itself: the mode of the gateway, revocations of the callers, the limits of their workspace,
 * and webhooks, which send requests to random hosts.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openDescriptors, withoutPrlimit } from '../../harness/descriptors.js'
import { as, publish } from '../../harness/gateway.js'
import { KeepAliveClient, type RawRequest } from '../../harness/keep-alive-client.js'
import { mutatedBatch, type Template } from '../../harness/mutated-request.js'
import { byNight } from '../../harness/nightly.js'
import { startProcess } from '../../harness/process.js'
import { randomFrom } from '../../harness/random.js'
import { shown } from '../../harness/random-blocks.js'
import type { RawAnswer } from '../../harness/raw-answers.js'
import { seedOfRun } from '../../harness/seed.js'
import { until } from '../../harness/until.js'
import { type Schema, sampleOf } from './samples.js'

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

const REQUESTS = byNight(100_000, 1_000_000)
const WARM_UP = 1_000
const CONNECTIONS = 24
/** Postgres connections that the pool may have opened meanwhile, and files of the moment. */
const SPARE_DESCRIPTORS = 25
const SPARE_BYTES = 192 * 1024 * 1024
const BACKENDS = `select from pg_stat_activity where datname = current_database() and application_name like 'sluice%'`
const LEFT_OUT = /^\/api\/(webhooks|revocations|server\/state|workspace|stream-tickets)/
const PATHS: Readonly<Record<string, string>> = { part_number: 'A01', '*': 'rooms/1', id: '1.aaaaaa' }
const seed = seedOfRun()
const skip = withoutPrlimit()

t.test(`no changed request of ${REQUESTS} harms the gateway (SLUICE_SEED=${seed})`, { skip }, async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })
  await publish(gateway, [{ type: 'note.made', data: { a: 'open', b: 1 } }])
  const templates = await templatesOf(gateway.url)
  const random = randomFrom(seed)
  const faults: string[] = []
  const statuses = new Map<number, number>()
  const run = async (count: number) => {
    let left = count
    const client = async () => {
      const connection = new KeepAliveClient(gateway.port)
      while (left > 0 && faults.length < 10) {
        const { requests, ...sent } = mutatedBatch(templates, random)
        left -= requests.length
        const answers = await connection.sendAll(requests, sent).catch((error: Error) => error.message)
        if (typeof answers === 'string') faults.push(`${answers}: ${requests.map(described).join(' | ')}`)
        else
          for (const [index, answer] of answers.entries()) {
            const fault = faultOf(requests[index]?.method, answer)
            if (fault !== undefined) faults.push(`${fault}: ${requests.map(described).join(' | ')}`)
            statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
          }
      }
      connection.close()
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, client))
  }
  await run(WARM_UP)
  const memory = residentBytes(gateway.pid)
  const descriptors = await openDescriptors(gateway.pid)

  await run(REQUESTS - WARM_UP)

  t.strictSame(faults, [], `SLUICE_SEED=${seed}`)
  t.comment([...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`))
  t.ok((statuses.get(200) ?? 0) > REQUESTS / 100, 'some requests still succeed')
  await until('it is ready', async () => (await fetch(`${gateway.url}/ready`)).status === 200)
  await until('the sockets are closed', async () => {
    return (await openDescriptors(gateway.pid)) <= descriptors + SPARE_DESCRIPTORS
  })
  const backends = async (which: string) => {
    const { rows } = await pool.query(`${BACKENDS} and ${which}`)
    return rows.length
  }
  t.ok((await backends('true')) > 0, 'the backends of the gateway are seen')
  await until('no backend is at work', async () => (await backends(`state <> 'idle'`)) === 0)
  t.ok(residentBytes(gateway.pid) < memory + SPARE_BYTES, 'the memory is what it was')
  t.notMatch(gateway.output(), /"level":[56]0/)
  t.equal(await gateway.stop(), 0)
  await until('no backend is left', async () => (await backends('true')) === 0)
})

async function templatesOf(url: string): Promise<Template[]> {
  const document = Object(await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Operation>>
  }
  const jobs = await fetch(`${url}/api/jobs`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: '{"kind":"build"}',
  })
  const { id: job } = Object(await jobs.json())
  return Object.entries(document.paths)
    .filter(([path]) => !LEFT_OUT.test(path))
    .flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { parameters = [], requestBody }]) => {
        const schema = requestBody?.content['application/json']?.schema
        const inPlace = (place: string) =>
          parameters
            .filter(one => one.in === place)
            .map(({ name, schema }) => [name, String(sampleOf(schema))] as const)
        return {
          method: method.toUpperCase(),
          path: path.replace(/\{([^}]+)\}/g, (_, name: string) =>
            /job|run|exec/i.test(path) ? job : (PATHS[name] ?? 'A01'),
          ),
          query: inPlace('query'),
          headers: inPlace('header'),
          body: schema && JSON.stringify(sampleOf(schema)),
        }
      }),
    )
}

function faultOf(method: string | undefined, { status, contentType, body }: RawAnswer): string | undefined {
  if (status < 100 || (status >= 500 && status !== 503 && status !== 507)) return `${status} ${body}`
  if (status < 400 || method === 'HEAD') return undefined
  // On a busy machine the database may answer too late for /ready, whose 503 is no problem document.
  if (status === 503 && body.startsWith('{"status":"unready"')) return undefined
  if (!contentType.startsWith('application/problem+json')) return `${status} ${contentType} ${body}`
  const problem = Object(JSON.parse(body))
  return problem.status === status && typeof problem.code === 'string' ? undefined : `${status} ${body}`
}

function described({ method, target, headers, body }: RawRequest): string {
  const visible = headers.filter(header => !header.startsWith('Authorization'))
  return shown([method, target, ...visible, body?.toString()])
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}
