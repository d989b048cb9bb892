/** A gateway whose role has settings that would break everything, directly and behind a pooler that knows nothing of them. */
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { HOSTILE } from '../../harness/hostile.js'
import { startPgBouncer, withoutPgBouncer } from '../../harness/pgbouncer.js'
import { preparePostgres } from '../../harness/postgres.js'
import { execute } from '../../harness/server.js'

const AT_ONCE = 30

for (const mode of [undefined, 'transaction', 'session'] as const) {
  const name = mode === undefined ? 'a connection of its own' : `PgBouncer in ${mode} mode`
  t.test(name, { skip: mode !== undefined && withoutPgBouncer() }, async t => {
    const server = await preparePostgres(t)
    await server.start()
    const through = mode === undefined ? server.url : await startPgBouncer(t, server.url, mode)
    // An idle connection is PgBouncer's own, and nobody else can keep the server from ending it.
    const settings = HOSTILE.filter(
      setting => mode === undefined || !setting.startsWith('idle_session_timeout'),
    )
    await execute(server.url, settings.map(setting => `alter role postgres set ${setting};`).join(' '))

    await migrate(through)
    const env = mode === undefined ? {} : { LISTEN_DATABASE_URL: server.url }
    const gateway = await startGateway(t, { databaseUrl: through, env })

    const call = async (method: string, path: string, content?: object) => {
      const headers = { ...as('editor'), accept: 'application/json', 'content-type': 'application/json' }
      const body = content === undefined ? null : JSON.stringify(content)
      return await fetch(`${gateway.url}${path}`, { method, headers, body })
    }
    const many = (act: (n: number) => Promise<{ status: number }>) =>
      Promise.all(Array.from({ length: AT_ONCE }, async (_, n) => (await act(n)).status))

    await call('POST', '/api/items', { part_number: 'A', description: 'd', item_type: 'part' })
    const published = await Promise.all(
      Array.from({ length: AT_ONCE }, () => publish(gateway, { type: 'thing.made', data: { 'a\\b': 'Ü' } })),
    )
    const changed = await many(n => call('PATCH', '/api/items/A', { description: `${n}` }))
    const jobs = await many(() => call('POST', '/api/jobs', { kind: 'command', payload: {} }))
    const page = await call('GET', '/api/events?limit=200&after=0')

    t.equal(new Set(published.flat()).size, AT_ONCE)
    t.strictSame([...new Set(changed)], [200])
    t.strictSame([...new Set(jobs)], [201])
    t.equal(page.status, 200)
    const { events } = (await page.json()) as { events: { at: string }[] }
    t.equal(events.length, 1 + 3 * AT_ONCE)
    t.match(events[0]?.at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })
}
