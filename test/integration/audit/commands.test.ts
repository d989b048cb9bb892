/** Who started a remote command, who cancelled it, and how it ended: each on record with the act itself. */
import t from 'tap'
import { until } from '../../harness/until.js'
import { attempt, expire, type JobsService, startJobs } from '../jobs/service.js'

interface Entry {
  readonly action: string
  readonly principal: string | null
  readonly details: Record<string, unknown>
}

t.test('the start, the cancellation and the outcome of a command are on record', async t => {
  const service = await startJobs(t)
  const [ended, cancelled, lost] = [await shell(service), await shell(service), await shell(service)]
  await service.claim({ projects: ['website'] })
  const result = { exit_code: 3, signal: null, duration_ms: 12, error: 'PASSWORD=hunter2' }
  await service.as('runner').post(`/api/jobs/${ended}/fail`, { result }, attempt(1))
  await service.as('editor').post(`/api/jobs/${cancelled}/cancel`)
  await service.pool.query('update sluice.jobs set max_attempts = 1')
  await service.claim({ projects: ['website'] })
  await expire(service.pool, lost)

  const outcomes = await entriesOf(service, 6)

  const of = { project: 'website', attempt: 1 }
  t.match(outcomes, [
    { action: 'command.started', principal: 'editor-of-acme', details: { job: ended } },
    { action: 'command.started', details: { job: cancelled } },
    { action: 'command.started', details: { job: lost } },
    {
      action: 'command.ended',
      principal: 'runner-of-acme',
      address: '127.0.0.1',
      request_id: String,
      details: { job: ended, status: 'failed', exit_code: 3, ...of },
    },
    {
      action: 'command.cancelled',
      principal: 'editor-of-acme',
      address: '127.0.0.1',
      request_id: String,
      details: { job: cancelled, status: 'cancelled', project: 'website', attempt: 0 },
    },
    {
      action: 'command.ended',
      principal: null,
      address: null,
      details: { job: lost, status: 'interrupted', ...of },
    },
  ])
  t.notMatch(JSON.stringify(outcomes), /hunter2/)
})

t.test('the result of a runner adds only short values of the known types', async t => {
  const service = await startJobs(t)
  const results = [
    { exit_code: '0; drop table', signal: 9, reason: ['x'], timed_out: 'yes' },
    { exit_code: 0, signal: 'S'.repeat(60_000), reason: 'timeout', timed_out: true },
    { exit_code: null, signal: 'SIGKILL' },
  ]
  for (const result of results) {
    const id = await shell(service)
    await service.claim()
    await service.as('runner').post(`/api/jobs/${id}/complete`, { result }, attempt(1))
  }

  const ended = (await entriesOf(service, 6)).filter(({ action }) => action === 'command.ended')

  const rest = { job: String, project: 'website', status: 'completed', attempt: 1 }
  t.match(ended, [
    { details: rest },
    { details: { ...rest, exit_code: 0, signal: 'S'.repeat(32), reason: 'timeout', timed_out: true } },
    { details: { ...rest, signal: 'SIGKILL' } },
  ])
  t.same(Object.keys(ended[0]?.details ?? {}), Object.keys(rest))
})

t.test('an end that cannot be put on record does not happen; other jobs have no entries', async t => {
  const service = await startJobs(t)
  const id = await shell(service)
  const build = await service.create({ kind: 'build' })
  await service.pool.query(`
    create function public.refuse() returns trigger language plpgsql as $$
      begin raise exception 'refused by the test'; end $$;
    create trigger refuse before insert on sluice.audit for each row execute function public.refuse()`)

  const refused = await service.as('editor').post(`/api/jobs/${id}/cancel`)
  const other = await service.as('editor').post(`/api/jobs/${build.id}/cancel`)

  t.equal(refused.status, 500)
  t.match((await service.as('viewer').get(`/api/jobs/${id}`)).body, { status: 'queued' })
  t.equal(other.status, 200)
})

async function shell(service: JobsService): Promise<string> {
  const { body } = await service.as('editor').post('/projects/website/shell', { command: 'make' })
  return (body as unknown as { data: { id: string } }).data.id
}

/** The entries, the oldest first, when there are as many. */
async function entriesOf(service: JobsService, count: number): Promise<Entry[]> {
  let entries: Entry[] = []
  await until(`${count} entries`, async () => {
    const { body } = await service.as('admin').get('/api/audit')
    entries = (body as unknown as { entries: Entry[] }).entries.reverse()
    return entries.length >= count
  })
  return entries
}
