/** Types that start with `job.`: what becomes of jobs is said by the gateway alone. */
import t from 'tap'
import { ENDED } from '../../../src/jobs/job.js'
import { RESERVED_PREFIX } from '../../../src/log/event-catalogue.js'
import { createDatabase } from '../../harness/database.js'
import { as, startGateway } from '../../harness/gateway.js'
import { logged } from '../../harness/records.js'

const FORGED = ['job.completed', 'job.created', 'job.failed', 'job.anything', 'job.']
/** Those with which the gateway reports the status of a job. Others may be reported to the job's own stream. */
const STATUS = ['job.created', 'job.started', 'job.requeued', ...ENDED.map(status => `job.${status}`)]
const FREE = ['jobs.completed', 'job', 'jobless.made', 'Job.completed', 'item.updated', 'revision.created']

t.test('no caller can publish them over HTTP, to any stream, in any form', async t => {
  const { url, app } = await startGateway(t)
  const post = async (path: string, body: unknown, type = 'application/json') => {
    const headers = { ...as('admin'), 'content-type': type }
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, ...((await response.json()) as { code?: string }) }
  }
  const refused = { status: 400, code: 'reserved-type' }
  const { id } = await app.jobs.create({ id: 'ada', workspace: 'acme' }, { kind: 'execution' }, 'running')
  const data = { job_id: id, status: 'completed' }

  for (const type of [...FORGED, ...STATUS]) {
    const paths = ['/api/events', '/api/events?stream=other']
    for (const path of STATUS.includes(type) ? [...paths, `/api/jobs/${id}/events`] : paths) {
      t.match(await post(path, { type, data }), refused, `${path} ${type}`)
      t.match(
        await post(path, [
          { type: 'fine', data },
          { type, data },
        ]),
        refused,
      )
    }
    if (STATUS.includes(type)) t.match(await post(`/api/executions/${id}/events`, { type, data }), refused)
    const event = { specversion: '1.0', id: '1', source: '/me', type, data }
    t.match(await post('/api/events', event, 'application/cloudevents+json'), refused)
  }
  for (const type of FREE) t.match(await post('/api/events', { type, data }), { status: 201 }, type)

  const types = (await logged(app.database, 'feed', 'acme')).map(({ type }) => type)
  t.strictSame(types, ['job.created', 'job.started', ...FREE], 'the gateway says its own')
})

t.test(
  'the database keeps them from the stream of a job too, and lets its executor report others',
  async t => {
    const { pool } = await createDatabase(t)
    const answers = async (kind: string, types: string[]) => {
      const id = `a-${kind}`
      await pool.query(
        `select from sluice.create_job('acme', $1, null, null, '{}', 0, 1, null, true, 'ada', $2)`,
        [kind, id],
      )
      const told = []
      for (const type of types) {
        const appended = pool.query(
          `select from sluice.append_job('acme', $1::text, null, array[$2], '{"{}"}', null, null, 'ada')`,
          [id, type],
        )
        told.push(await appended.then(() => 'stored').catch((error: { code: string }) => error.code))
      }
      return told
    }
    const free = [
      'job.queued',
      'job.step.done',
      'step.started',
      'error',
      'message',
      'open',
      'heartbeat',
      'reset',
      'job.ä',
    ]

    const storedOf = (n: number) => free.map((_, i) => (i < n ? 'stored' : 'SL002'))

    t.strictSame(
      await answers('run', STATUS),
      STATUS.map(() => 'SL002'),
    )
    t.strictSame(await answers('build', free), storedOf(3))
    t.strictSame(
      await answers('execution', free),
      storedOf(7),
      'orchestrators report what an EventSource dispatches',
    )
  },
)

t.test('no role can publish them from SQL, or watch a table under such a name', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table public.job (id int)')
  await pool.query('create table public.jobs (id int)')

  for (const type of FORGED) {
    for (const call of [
      `sluice.publish('acme', 'feed', '${type}', '{}')`,
      `sluice.append('acme', 'other', '${type}', '{}')`,
      `sluice.append_requests('{acme}', '{feed}', '{ada}', '{null}', '{null}', '{1}', '{${type}}', '{"{}"}')`,
    ]) {
      await t.rejects(pool.query(`select ${call}`), { code: 'SL002', message: /reserved|not a type/ }, call)
    }
  }
  await t.rejects(pool.query(`select sluice.watch('public.job', workspace => 'acme')`), {
    code: 'SL003',
    hint: /name/,
  })
  await t.rejects(pool.query(`select sluice.watch('public.jobs', 'job.new', 'acme')`), { code: 'SL003' })
  await pool.query(`select sluice.watch('public.jobs', workspace => 'acme')`)
  await pool.query(`select sluice.watch('public.job', 'task', 'acme')`)
  await pool.query('insert into public.job values (1); insert into public.jobs values (1)')

  const types = (await logged(pool, 'feed', 'acme')).map(({ type }) => type)
  t.strictSame(types, ['task.created', 'jobs.created'])
  t.equal(RESERVED_PREFIX, 'job.')
})
