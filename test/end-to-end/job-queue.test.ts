/** The queue under load: many runners on two gateways, one of them frozen for longer than its lease. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import { recordTable } from '../checker/recorded-table.js'
import { Recorder } from '../checker/recorder.js'
import { createDatabase } from '../harness/database.js'
import { startProcess } from '../harness/process.js'
import { seedOfRun } from '../harness/seed.js'
import { until } from '../harness/until.js'
import { attemptsOf, countOpen, type JobEvent, readJobLogs, startNamed, submit } from './command-jobs.js'
import { Random } from './random.js'

const JOBS = 200
const RUNNERS = ['r1', 'r2', 'r3', 'r4']
const FROZEN = 'frozen'
/** A runner asks for one job at a time, so that many claims can be on their way besides the one that is answered. */
const OTHER_CLAIMS = RUNNERS.length
/** Says in which attempt it is and succeeds, or says nothing and does not. */
const COMMANDS = ['echo $SLUICE_JOB_ATTEMPT', 'exit 3']
/** The first attempt does not end before its runner is frozen; the second one lasts while that runner is woken up. */
const SLOW_COMMAND =
  'echo $SLUICE_JOB_ATTEMPT; [ $SLUICE_JOB_ATTEMPT -gt 1 ] || sleep 600; sleep 2; echo $SLUICE_JOB_ATTEMPT'
const PATIENCE_MS = 60_000

const seed = seedOfRun()

t.test(`each of many jobs is done once, the urgent ones first (SLUICE_SEED=${seed})`, async t => {
  const random = new Random(seed)
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateways = await Promise.all([startProcess(t, { databaseUrl }), startProcess(t, { databaseUrl })])
  const urlOf = (n: number) => gateways[n % 2]?.url ?? ''
  const slow = await submit(urlOf(0), SLOW_COMMAND, 9)
  const commands = new Map([[slow, SLOW_COMMAND]])
  for (let n = 1; n < JOBS; n += 1) {
    const command = random.pick(COMMANDS)
    commands.set(await submit(urlOf(n), command, random.between(0, 9)), command)
  }

  const frozen = await startNamed(t, urlOf(0), FROZEN, 2)
  await until(
    'the slow job',
    async () => (await read(pool, slow)).some(({ type }) => type === 'output'),
    PATIENCE_MS,
  )
  frozen.signal('SIGSTOP')
  await Promise.all(RUNNERS.map((name, n) => startNamed(t, urlOf(n), name, 1 + (n % 2))))
  const isTakenOver = async () => attemptsOf(await read(pool, slow)).at(-1)?.start.actor !== FROZEN
  await until('another one with the job of the frozen one', isTakenOver, PATIENCE_MS)
  frozen.signal('SIGCONT')
  await frozen.until(new RegExp(`Job ${slow}: lost \\(`))
  await until('the end of all jobs', async () => (await countOpen(pool)) === 0, PATIENCE_MS)

  const logs = await readJobLogs(pool)
  t.equal(logs.size, JOBS)
  for (const [id, command] of commands) {
    checkEnd(t, logs.get(id) ?? [], command)
  }
  const recorder = new Recorder({ path: join(t.testdir(), 'history.jsonl'), header: { seed } })
  await recordTable({ pool, recorder })
  const verdict = await recorder.judge()
  t.equal(verdict.findings, 0, `one end, and one attempt at a time: ${verdict}`)
  t.equal(verdict.count('jobs'), JOBS)
  const [start, requeued] = (logs.get(slow) ?? []).filter(({ type }) => /started|requeued/.test(type))
  t.match(start, { actor: FROZEN })
  t.match(JSON.parse(requeued?.data ?? '{}'), { attempt: 1, reason: 'lease-expired' })
  const [, second] = attemptsOf(logs.get(slow) ?? [])
  t.not(second?.start.actor, FROZEN, 'another one has taken the job of the frozen one')
  await checkOrder(t, pool)
})

/** The last attempt has told all that its command says, and the job ended as its command did. */
function checkEnd(t: Test, log: readonly JobEvent[], command: string): void {
  const attempts = attemptsOf(log)
  const lines = attempts.at(-1)?.events.map(({ data }) => JSON.parse(data).line)
  const said = command.split('; ').filter(part => part.startsWith('echo'))
  t.same(
    lines,
    said.map(() => `${attempts.length}`),
    command,
  )
  t.equal(log.at(-1)?.type, command === 'exit 3' ? 'job.failed' : 'job.completed', `${command}: its end`)
}

/**
 * In the order in which the feed tells that jobs were started for the first time, one that should have come earlier can
 * only come later when it was on its way to another runner.
 */
async function checkOrder(t: Test, pool: Database): Promise<void> {
  const { rows } = await pool.query<{ rank: number }>(
    `select j.rank from sluice.events e join sluice.streams s on s.id = e.stream_id
       join (
         select id, (row_number() over (order by priority desc, created_at, id))::int as rank from sluice.jobs
       ) j on j.id = (e.data->>'job_id')::uuid
      where s.workspace = 'acme' and s.name = 'feed' and e.type = 'job.started' and e.data->>'attempt' = '1'
      order by e."position"`,
  )
  const ranks = rows.map(({ rank }) => rank)
  t.equal(ranks.length, JOBS, 'the feed tells the start of each')
  const overtaken = ranks.map((rank, n) => ranks.slice(n).filter(later => later < rank).length)
  t.ok(
    Math.max(...overtaken) <= OTHER_CLAIMS,
    `started by priority, then age: at most ${Math.max(...overtaken)} passed over`,
  )
}

async function read(pool: Database, job: string): Promise<readonly JobEvent[]> {
  return (await readJobLogs(pool, job)).get(job) ?? []
}
