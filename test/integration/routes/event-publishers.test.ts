/** Who published events: recorded beside them, and for admins of the workspace only. */
import t from 'tap'
import { createPool } from '../../../src/database/pool.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'

t.test(
  'an admin learns who published events and how, of its own workspace and of these very events',
  async t => {
    const gateway = await startGateway(t)
    const pool = createPool(gateway.databaseUrl, { max: 1, name: 'test', onError: () => undefined })
    t.teardown(() => pool.end())
    const read = async (query: string, headers: Record<string, string> = as('admin')) => {
      const response = await fetch(`${gateway.url}/api/events/publishers?${query}`, { headers })
      return [response.status, (await response.json()) as { publishers?: object[]; code?: string }] as const
    }
    const made = { type: 'thing.made', data: {} }
    const [first = ''] = await publish(gateway, made)
    await pool.query(`select sluice.append('acme', 'feed', 'thing.made', '{}')`)
    const [third = ''] = await publish(gateway, made)
    await publish(gateway, made, { workspace: 'rival' })
    const redacted = await fetch(`${gateway.url}/api/events/${third}/redact`, {
      method: 'POST',
      headers: { ...as('admin'), 'content-type': 'application/json' },
      body: '{"reason":"request 118"}',
    })

    const [status, { publishers }] = await read(`ids=${third},${first},2.aaaaaa,9.aaaaaa,${first}`)
    const [, ofRival] = await read(`ids=${first}`, as('admin', 'rival'))
    const refusals = await Promise.all([
      read(`ids=${first}`, as('editor')),
      read(`ids=${first}`, bearer(token({ role: 'admin', sluice: { subscribe: ['*'] } }))),
      read('ids=1'),
      read(`ids=${Array(101).fill(first).join(',')}`),
      read(`ids=${first}&stream=nowhere`),
    ])

    t.equal(redacted.status, 200)
    t.equal(status, 200)
    t.strictSame(publishers, [
      { id: first, actor: 'editor-of-acme', way: 'http' },
      { id: third, actor: null, way: 'http' },
    ])
    t.strictSame(ofRival, { publishers: [] })
    t.strictSame(
      refusals.map(([status, { code }]) => [status, code]),
      [
        [403, 'role-too-low'],
        [403, 'workspace-not-granted'],
        [400, 'invalid-request'],
        [400, 'invalid-request'],
        [404, 'not-found'],
      ],
    )
  },
)
