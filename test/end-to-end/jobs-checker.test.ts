/** The checker of job streams: every client of every job receives what the tables hold, whichever process is killed. */
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import { createDatabase } from '../harness/database.js'
import { startNginx, withoutNginx } from '../harness/nginx.js'
import { afterPatience } from '../harness/patience.js'
import { type Program, startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'
import {
  attemptsOf,
  countOpen,
  faultOf,
  type JobEvent,
  type JobLogs,
  readJobLogs,
  startNamed,
  submit,
} from './command-jobs.js'
import { FORMS, JobFollower } from './job-follower.js'
import { Random } from './random.js'

/** Of each job the lines on stdout; every third job writes as many on stderr. */
const LINES = [
  1, 2, 3, 10, 50, 100, 200, 499, 500, 501, 999, 1_000, 1_001, 1_500, 2_000, 3_000, 5_000, 5_000, 10_000,
  50_000,
]
/** This one counts for ever in its first attempt, so that its runner can be killed in the middle. */
const SLOW = LINES.indexOf(10_000)
const RUNNERS = ['r1', 'r2', 'r3']
/** For all jobs to end, an expired lease included; and for a client to hear of it. */
const PATIENCE_MS = 60_000

const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000)
const skip = withoutNginx()

t.test(
  `every client of a job received exactly the events of the job's stream (SLUICE_SEED=${seed})`,
  { skip },
  async t => {
    const random = new Random(seed)
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateways = await Promise.all([startProcess(t, { databaseUrl }), startProcess(t, { databaseUrl })])
    const [first, second] = gateways
    const nginx = await startNginx(t, { upstreams: [first.port, second.port] })
    const jobs = await Promise.all(
      LINES.map((count, n) => submit(nginx.url, commandOf(n, count), n === SLOW ? 9 : 0)),
    )
    const followers: JobFollower[] = []
    const following: Promise<void>[] = []
    t.teardown(() => followers.forEach(each => void each.stop()))
    let turn = 0
    const followAll = () => {
      for (const job of jobs) {
        const form = FORM_NAMES[turn++ % FORM_NAMES.length] ?? 'job'
        const follower = new JobFollower({ origin: nginx.url, job, form, random: random.fork() })
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
    for (const each of followers) each.expectCuts(true)
    await first.kill()
    for (const each of followers) each.expectCuts(false)
    await linesStored(pool, slow, 2_000)
    const victim = await runnerOf(pool, slow)
    runners.get(victim)?.signal('SIGKILL')
    const third = await startProcess(t, { databaseUrl, port: first.port })
    followAll()
    await until('the end of all jobs', async () => (await countOpen(pool)) === 0, PATIENCE_MS)
    followAll()
    const callOff = afterPatience(PATIENCE_MS, () => followers.forEach(each => void each.stop()))
    await Promise.all(following)
    callOff()

    const logs = await readJobLogs(pool)
    for (const [n, job] of jobs.entries()) checkLog(t, n, logs.get(job) ?? [])
    const [attempt, ...others] = attemptsOf(logs.get(slow) ?? [])
    t.ok(attempt?.start.actor === victim && others.length > 0, 'a runner was killed in the middle of a job')
    checkFollowers(t, followers, logs)
    for (const gateway of [...gateways, third]) {
      t.notMatch(gateway.output(), /"level":[56]0/, 'no gateway had a fault of its own')
    }
    const connections = followers.flatMap(each => each.connections)
    const resumed = connections.filter(each => each.resumed && each.messages.length > 0).length
    t.comment(
      `seed ${seed}: ${[...logs.values()].flat().length} events, ${followers.length} clients, ` +
        `${connections.length} connections, ${resumed} of them resumed`,
    )
    t.ok(resumed >= 10, 'clients came back in the middle')
  },
)
const FORM_NAMES = Object.keys(FORMS) as (keyof typeof FORMS)[]

/** Counts on stdout, on every third job on stderr as well; every fifth ends without a line end, and not with 0. */
function commandOf(n: number, count: number): string {
  if (n === SLOW) {
    const attempts = {
      first: 'while i=$((i + 50)); do seq $((i - 49)) $i; sleep 0.05; done',
      later: `seq 1 ${count}`,
    }
    return `if [ $SLUICE_JOB_ATTEMPT = 1 ]; then i=0; ${attempts.first}; else ${attempts.later}; fi`
  }
  const out = n % 5 === 0 ? `seq 1 ${count - 1}; printf ${count}` : `seq 1 ${count}`
  return `${hasStderr(n) ? `(seq 1 ${count} >&2) & ` : ''}${out}; wait; exit ${n % 5 === 0 ? 3 : 0}`
}

function hasStderr(n: number): boolean {
  return n % 3 === 0 && n !== SLOW
}

/** The log itself: each attempt has told its lines from the first one on and in order, the last one all of them. */
function checkLog(t: Test, n: number, log: readonly JobEvent[]): void {
  const count = LINES[n] ?? 0
  const name = `job ${n} of ${count} lines`
  t.equal(faultOf(log), undefined, name)
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
  for (const each of followers) {
    const { job, form } = each.options
    const name = `${form} ${job}, ${each.connections.length} connections`
    t.equal(each.differenceFrom(logs.get(job) ?? []), undefined, name)
    t.ok(each.heardTheEnd, `${name}: 204 at the end`)
  }
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
