/** Real gateways, real runners, each killed in the middle; the log is read from the database itself. */
import t from 'tap'
import type { Job } from '../../../src/jobs/job.js'
import { createDatabase, type TestDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { startProcess } from '../../harness/process.js'
import { isGone } from '../../harness/processes.js'
import { shortLease, startRunner } from '../../harness/runner-program.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const RUNNER = token({ role: 'runner', sub: 'runner-1' })
/** A lease is swept within a second after its end. */
const PATIENCE_MS = 60_000

interface LogEvent {
  readonly type: string
  readonly data: { line?: string; stream?: string; attempt?: number; reason?: string }
}

t.test('a command that an editor submits is executed, and its stream has all of its events', async t => {
  const database = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl: database.url })
  await startRunner(t, gateway.url, { token: RUNNER, args: ['--name', 'one'] })

  const id = await submit(gateway.url, `printf 'a\\r\\nb\\0\\n'; printf '\\377' >&2; exit 3`)
  const job = await untilEnded(gateway.url, id)

  t.match(job, { status: 'failed', runner: 'one', attempt: 1, result: { exit_code: 3, signal: null } })
  const events = await eventsOf(database, id)
  t.strictSame(
    events.map(({ type }) => type),
    ['job.created', 'job.started', 'output', 'output', 'output', 'job.failed'],
  )
  t.strictSame(linesOf(events, 'stdout'), ['a', 'b\0'])
  t.strictSame(linesOf(events, 'stderr'), ['\ufffd'])
})

t.test('a command continues the trace of the request that created its job', async t => {
  const database = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl: database.url })
  await startRunner(t, gateway.url, { token: RUNNER })
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

  const traced = await submit(gateway.url, 'echo "$TRACEPARENT"', { traceparent })
  const untraced = await submit(gateway.url, 'echo "none$TRACEPARENT"')
  for (const id of [traced, untraced]) await untilEnded(gateway.url, id)

  t.strictSame(linesOf(await eventsOf(database, traced)), [traceparent])
  t.strictSame(linesOf(await eventsOf(database, untraced)), ['none'])
})

t.test('gateways that are killed lose no line and double none', async t => {
  const database = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl: database.url })
  await startRunner(t, gateway.url, { token: RUNNER })
  const count = 30_000
  const id = await submit(
    gateway.url,
    `for i in $(seq 30); do seq $((i * 1000 - 999)) $((i * 1000)); sleep 0.1; done`,
  )

  for (const enough of [2_000, 10_000]) {
    await until('lines', async () => (await countOf(database, id)) > enough, PATIENCE_MS)
    await gateway.kill()
    gateway = await startProcess(t, { databaseUrl: database.url, port: gateway.port })
  }

  const job = await untilEnded(gateway.url, id)
  t.match(job, { status: 'completed', attempt: 1, result: { exit_code: 0 } })
  t.ok(inOrder(linesOf(await eventsOf(database, id)), count), 'each line once and in order')
})

t.test('after a runner is killed, the job starts again, and each attempt has its lines in order', async t => {
  const database = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl: database.url })
  const first = await startRunner(t, gateway.url, {
    token: RUNNER,
    args: ['--lease', shortLease(), '--name', 'first'],
  })
  const id = await submit(
    gateway.url,
    'for i in $(seq 20); do seq $((i * 1000 - 999)) $((i * 1000)); sleep 0.1; done',
  )
  await until('lines', async () => (await countOf(database, id)) > 3_000, PATIENCE_MS)

  first.signal('SIGKILL')
  await first.ended()
  await startRunner(t, gateway.url, { token: RUNNER, args: ['--name', 'second'] })

  t.match(await untilEnded(gateway.url, id), { status: 'completed', attempt: 2, runner: 'second' })
  const events = await eventsOf(database, id)
  const again = events.findIndex(({ type }) => type === 'job.requeued')
  t.match(events[again]?.data, { attempt: 1, reason: 'lease-expired' })
  const [before, after] = [linesOf(events.slice(0, again)), linesOf(events.slice(again))]
  t.ok(before.length > 3_000 && inOrder(before, before.length), 'the first attempt, as far as it came')
  t.ok(inOrder(after, 20_000), 'the second attempt, whole')
})

t.test('a runner that stops hands its job back, and the next one does it', async t => {
  const database = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl: database.url })
  const first = await startRunner(t, gateway.url, { token: RUNNER, args: ['--grace', '0'] })
  const id = await submit(
    gateway.url,
    'echo $SLUICE_JOB_ATTEMPT; [ $SLUICE_JOB_ATTEMPT = 2 ] || exec sleep 1000',
  )
  await until('its first line', async () => (await countOf(database, id)) > 0)

  first.signal('SIGTERM')
  t.equal(await first.ended(), 0)
  t.match(await readJob(gateway.url, id), { status: 'queued', attempt: 1 })
  await startRunner(t, gateway.url, { token: RUNNER })

  t.match(await untilEnded(gateway.url, id), { status: 'completed', attempt: 2 })
  const events = await eventsOf(database, id)
  t.match(events.find(({ type }) => type === 'job.requeued')?.data, { reason: 'handed-back' })
  t.strictSame(linesOf(events), ['1', '2'])
})

t.test('cancelling a job ends its command', async t => {
  const database = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl: database.url })
  const runner = await startRunner(t, gateway.url, { token: RUNNER })
  const id = await submit(gateway.url, 'echo $$; exec sleep 1000')
  await until('its pid', async () => (await countOf(database, id)) > 0)
  const [pid] = linesOf(await eventsOf(database, id))

  const response = await fetch(`${gateway.url}/api/jobs/${id}/cancel`, {
    method: 'POST',
    headers: as('editor'),
  })

  t.equal(response.status, 200)
  await until('its command is gone', () => isGone(Number(pid)))
  await runner.until(/lost \(/)
  t.equal((await eventsOf(database, id)).at(-1)?.type, 'job.cancelled')
})

t.test('a token of another role is refused at the start', async t => {
  const database = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl: database.url })

  const runner = await startRunner(t, gateway.url, { token: token({ role: 'admin' }) }).catch(String)

  t.match(runner, /403 \S+\)\. .* Check SLUICE_TOKEN: it needs the role runner/)
})

async function submit(url: string, command: string, more: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${url}/api/jobs`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json', ...more },
    body: JSON.stringify({ kind: 'command', project: 'site', payload: { command } }),
  })
  if (response.status !== 201) throw new Error(await response.text())
  return ((await response.json()) as Job).id
}

async function readJob(url: string, id: string): Promise<Job> {
  return (await (await fetch(`${url}/api/jobs/${id}`, { headers: as('viewer') })).json()) as Job
}

async function untilEnded(url: string, id: string): Promise<Job> {
  await until('the end of the job', async () => (await readJob(url, id)).ended_at !== null, PATIENCE_MS)
  return await readJob(url, id)
}

async function eventsOf({ pool }: TestDatabase, id: string): Promise<LogEvent[]> {
  const { rows } = await pool.query<{ type: string; data: string }>(
    `select e.type, e.data from sluice.events e join sluice.streams s on s.id = e.stream_id
     where s.name = 'job:' || $1 order by e.position`,
    [id],
  )
  return rows.map(({ type, data }) => ({ type, data: JSON.parse(data) }))
}

async function countOf({ pool }: TestDatabase, id: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::int as count from sluice.events e join sluice.streams s on s.id = e.stream_id
     where s.name = 'job:' || $1 and e.type = 'output'`,
    [id],
  )
  return rows[0]?.count ?? 0
}

function linesOf(events: readonly LogEvent[], stream?: string): string[] {
  return events
    .filter(({ type, data }) => type === 'output' && (stream === undefined || data.stream === stream))
    .map(({ data }) => data.line ?? '')
}

/** Whether these are the numbers from 1 to `count`. */
function inOrder(lines: readonly string[], count: number): boolean {
  return lines.length === count && lines.every((line, n) => line === `${n + 1}`)
}
