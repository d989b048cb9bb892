/** The checker of job streams: every client of every job receives what the tables hold, whichever process is killed. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import { recordTable, WRITTEN } from '../checker/recorded-table.js'
import { Recorder } from '../checker/recorder.js'
import { ownFolder } from '../harness/command-line.js'
import { createDatabase } from '../harness/database.js'
import { startNginx, withoutNginx } from '../harness/nginx.js'
import { afterPatience } from '../harness/patience.js'
import { type Program, startProcess } from '../harness/process.js'
import { seedOfRun } from '../harness/seed.js'
import { until } from '../harness/until.js'
import {
  attemptsOf,
  countOpen,
  type JobEvent,
  type JobLogs,
  readJobLogs,
  startNamed,
  submit,
} from './command-jobs.js'
import { DIALECTS, JOB_FORMS, JobFollower, type Snapshot } from './job-follower.js'
import { Random } from './random.js'

/** Of each job the lines on stdout; every third job writes as many on stderr. */
const LINES = [
  1, 2, 3, 10, 50, 100, 200, 499, 500, 501, 999, 1_000, 1_001, 1_500, 2_000, 3_000, 5_000, 5_000, 10_000,
  50_000,
]
/** This one counts for ever until its runner was killed in the middle. */
const SLOW = LINES.indexOf(10_000)
const RUNNERS = ['r1', 'r2', 'r3']
/** For all jobs to end, an expired lease included; and for a client to hear of it. */
const PATIENCE_MS = 60_000

const seed = seedOfRun()
const skip = withoutNginx()

t.test(
  `every client of a job received exactly the events of the job's stream (SLUICE_SEED=${seed})`,
  { skip },
  async t => {
    const random = new Random(seed)
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateways = await Promise.all([startProcess(t, { databaseUrl }), startProcess(t, { databaseUrl })])
    const [first, second] = gateways
    const mayEnd = join(await ownFolder(t), 'may-end')
    const planned = ['gateway-killed', 'runner-killed']
    const recorder = new Recorder({ path: join(t.testdir(), 'history.jsonl'), header: { seed, planned } })
    const nginx = await startNginx(t, { upstreams: [first.port, second.port] })
    const jobs = await Promise.all(
      LINES.map((count, n) => submit(nginx.url, commandOf(n, count, mayEnd), n === SLOW ? 9 : 0)),
    )
    const followers: JobFollower[] = []
    const following: Promise<void>[] = []
    t.teardown(() => followers.forEach(each => void each.stop()))
    let turn = 0
    const followAll = () => {
      for (const job of jobs) {
        const name = `${turn}`
        const dialect = DIALECT_NAMES[turn++ % DIALECT_NAMES.length] ?? 'job'
        const options = { name, recorder, origin: nginx.url, job, dialect, random: random.fork() }
        const follower = new JobFollower(options)
        followers.push(follower)
        following.push(follower.follow())
      }
    }

    followAll()
    const runners = new Map<string, Program>()
    for (const name of RUNNERS) runners.set(name, await startNamed(t, nginx.url, name, 2))
    const slow = jobs[SLOW] ?? ''
    await linesStored(pool, slow, 1_000)
    followAll()
    recorder.fault('gateway-killed')
    await first.kill()
    await linesStored(pool, slow, 2_000)
    const victim = await runnerOf(pool, slow)
    recorder.fault('runner-killed', `acme/job:${slow}`)
    runners.get(victim)?.signal('SIGKILL')
    await writeFile(mayEnd, '')
    const third = await startProcess(t, { databaseUrl, port: first.port })
    recorder.healed('gateway-killed')
    followAll()
    await until('the end of all jobs', async () => (await countOpen(pool)) === 0, PATIENCE_MS)
    recorder.quiet()
    followAll()
    const callOff = afterPatience(PATIENCE_MS, () => followers.forEach(each => void each.stop()))
    await Promise.all(following)
    callOff()

    await recordTable({ pool, recorder, forms: { ...WRITTEN, ...JOB_FORMS } })
    const verdict = await recorder.judge()
    t.equal(verdict.findings, 0, `${verdict}`)
    const logs = await readJobLogs(pool)
    for (const [n, job] of jobs.entries()) checkLog(t, n, logs.get(job) ?? [])
    // Perhaps not the first one: on a busy machine a lease may expire before.
    const attempts = attemptsOf(logs.get(slow) ?? []).slice(0, -1)
    t.ok(
      attempts.some(({ start }) => start.actor === victim),
      'a runner was killed in the middle of a job',
    )
    checkFollowers(t, followers, logs)
    for (const gateway of [...gateways, third]) {
      t.notMatch(gateway.output(), /"level":[56]0/, 'no gateway had a fault of its own')
    }
    const resumed = followers.reduce((sum, each) => sum + each.resumed, 0)
    t.comment(`seed ${seed}: ${verdict}, ${resumed} connections were resumed`)
    t.ok(resumed >= 10, 'clients came back in the middle')
  },
)
const DIALECT_NAMES = Object.keys(DIALECTS) as (keyof typeof DIALECTS)[]

/** Counts on stdout, on every third job on stderr as well; every fifth ends without a line end, and not with 0. */
function commandOf(n: number, count: number, mayEnd: string): string {
  if (n === SLOW) {
    const endless = 'i=0; while i=$((i + 50)); do seq $((i - 49)) $i; sleep 0.05; done'
    return `if [ -e '${mayEnd}' ]; then seq 1 ${count}; else ${endless}; fi`
  }
  const out = n % 5 === 0 ? `seq 1 ${count - 1}; printf ${count}` : `seq 1 ${count}`
  return `${hasStderr(n) ? `(seq 1 ${count} >&2) & ` : ''}${out}; wait; exit ${n % 5 === 0 ? 3 : 0}`
}

function hasStderr(n: number): boolean {
  return n % 3 === 0 && n !== SLOW
}

/** Each attempt has told its lines from the first one on and in order, the last one all of them. */
function checkLog(t: Test, n: number, log: readonly JobEvent[]): void {
  const count = LINES[n] ?? 0
  const name = `job ${n} of ${count} lines`
  t.equal(log.at(-1)?.type, n % 5 === 0 && n !== SLOW ? 'job.failed' : 'job.completed', `${name}: its end`)
  const attempts = attemptsOf(log)
  for (const [index, { events }] of attempts.entries()) {
    for (const stream of ['stdout', 'stderr']) {
      const lines = events.map(({ data }) => JSON.parse(data)).filter(data => data.stream === stream)
      const wanted = stream === 'stdout' || hasStderr(n) ? count : 0
      const last = index === attempts.length - 1
      t.ok(
        lines.every(({ line }, place) => line === `${place + 1}`) && (!last || lines.length === wanted),
        `${name}: ${stream} of attempt ${index + 1} has ${lines.length} of ${wanted} lines in order`,
      )
    }
  }
}

function checkFollowers(t: Test, followers: readonly JobFollower[], logs: JobLogs): void {
  for (const { options, faults, snapshots, heardTheEnd } of followers) {
    const log = logs.get(options.job) ?? []
    const wrong = snapshots.flatMap(each => faultOfSnapshot(each, log) ?? [])
    t.strictSame([...faults, ...wrong], [], `${options.dialect} ${options.job}`)
    t.ok(heardTheEnd, `${options.dialect} ${options.job}: 204 at the end`)
  }
}

function faultOfSnapshot({ job, head }: Snapshot, log: readonly JobEvent[]): string | undefined {
  const until = log.findIndex(({ id }) => id === head)
  const changes = log.slice(0, until + 1).filter(({ type }) => type.startsWith('job.'))
  const status = changes
    .at(-1)
    ?.type.slice(4)
    .replace(/created|requeued/, 'queued')
    .replace('started', 'running')
  const attempt = changes.filter(({ type }) => type === 'job.started').length
  return job.status === status && job.attempt === attempt
    ? undefined
    : `the snapshot at ${head} says ${job.status}, attempt ${job.attempt}; the log ${status}, attempt ${attempt}`
}

async function linesStored(pool: Database, job: string, count: number): Promise<void> {
  const look = async () => {
    const { rows } = await pool.query(
      `select from sluice.events e join sluice.streams s on s.id = e.stream_id
        where s.name = 'job:' || $1 and e."position" > $2 limit 1`,
      [job, count],
    )
    return rows.length > 0
  }
  await until(`${count} lines of the slow job`, look, PATIENCE_MS)
}

async function runnerOf(pool: Database, job: string): Promise<string> {
  const { rows } = await pool.query<{ runner: string }>('select runner from sluice.jobs where id = $1', [job])
  return rows[0]?.runner ?? ''
}
