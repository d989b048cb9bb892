/**
 * A gateway from before jobs had ids of their own keeps working while it is replaced: its statements, prepared on the schema that
 * it knew and prepared anew, on the schema of today.
 */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { migrationNames } from '../../../src/database/migration-files.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { createEmptyDatabase } from '../../harness/database.js'

const FOLDER = join(packageRoot, 'migrations')
const LAST_BEFORE = '0016_rate_windows'
const JOB = '(c.job).id, (c.job).status, (c.job).attempt, c.streams'
const OWN = `set_config('sluice.workspace', $1, true) as own (workspace)`
const call = (name: string, parameters: string) =>
  `select ${JOB} from ${OWN} cross join lateral sluice.${name}(${parameters}) c`

/** The statements of the old gateway, in short. */
const STATEMENTS = {
  create: call('create_job', 'own.workspace, $2, $3, $4, $5, $6, $7, $8, $9, $10'),
  claim: call('claim_job', 'own.workspace, $2, $3, $4, $5, $6'),
  heartbeat: `select sluice.heartbeat_job(own.workspace, $2, $3, $4, $5) as at from ${OWN}`,
  append: `select a.position from ${OWN} cross join lateral sluice.append_job(own.workspace, $2, $3, $4, $5, $6, $7, $8, $9) a`,
  requeue: call('requeue_job', 'own.workspace, $2, $3, $4, $4'),
  finish: call('finish_job', 'own.workspace, $2, $3, $4, $5, $6, $7'),
  select:
    'select j.id, j.status, s.name from sluice.jobs j join sluice.streams s on s.id = j.stream_id where j.id = $2 and j.workspace = $1',
  expire: `select ${JOB} from sluice.expire_lease() c`,
} as const

t.test(
  'statements of an old gateway work on, on connections from before and from after the migration',
  async t => {
    const { url, pool } = await createEmptyDatabase(t)
    await migrate(url, await oldFolder(t))
    const before = await connect(t, url)
    const runsThen = await lifeOf(before)
    const waiting = await run(before, 'create', ...newJob())

    await migrate(url)
    const after = await connect(t, url)
    await pool.query(
      `select from sluice.create_job('acme', 'command', null, null, '{}', 9, 1, null, false, 'ada', 'own')`,
    )
    const runs = [await lifeOf(before), await lifeOf(after)]
    const [left] = await run(before, 'claim', null, null, 'r', 5_000, 'ada')
    const none = await run(after, 'claim', null, null, 'r', 5_000, 'ada')

    t.strictSame(runs, [runsThen, runsThen])
    t.equal(
      left?.id,
      waiting[0]?.id,
      'the job from before is claimed, not the one whose id the old gateway cannot name',
    )
    t.same(none, [])
    t.same((await pool.query('select name from sluice.jobs where name <> id::text')).rows, [{ name: 'own' }])
  },
)

/** What one job goes through: the answers, without what differs each time. */
async function lifeOf(client: pg.Client): Promise<unknown[]> {
  const [job] = await run(client, 'create', ...newJob(9))
  const id = job?.id
  const answers = [
    await run(client, 'claim', null, null, 'r', 5_000, 'ada'),
    await run(client, 'append', id, 1, ['a'], ['{}'], null, null, 'ada', 'ada'),
    await run(client, 'requeue', id, 1, 'ada'),
    await run(client, 'claim', null, null, 'r', 5_000, 'ada'),
    (await run(client, 'heartbeat', id, 2, 5_000, 'ada')).length,
    await run(client, 'finish', id, 2, 'completed', '{}', 'ada', 'ada'),
    await run(client, 'select', id),
    (await client.query({ name: 'expire', text: STATEMENTS.expire })).rows,
  ]
  return JSON.parse(
    JSON.stringify(answers)
      .replaceAll(String(id), '<id>')
      .replace(/"streams":\[[^\]]*\]/g, '"streams":[]'),
  )
}

function newJob(priority = 0) {
  return ['command', null, null, '{}', priority, 3, null, false, 'ada']
}

async function run(client: pg.Client, name: keyof typeof STATEMENTS, ...values: unknown[]) {
  const query = { name, text: STATEMENTS[name], values: ['acme', ...values] }
  return (await client.query<{ id: string; status: string }>(query)).rows
}

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'old gateway' })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** The migrations that the old gateway brought. */
async function oldFolder(t: Test): Promise<string> {
  const folder = t.testdir({})
  const names = await migrationNames(FOLDER)
  for (const name of names.slice(0, names.indexOf(LAST_BEFORE) + 1)) {
    await copyFile(join(FOLDER, `${name}.sql`), join(folder, `${name}.sql`))
  }
  return folder
}
