/** Acts that are put on record: with the act itself, or not at all. */
import { createHash } from 'node:crypto'
import t from 'tap'
import type { Role } from '../../../src/auth/principal.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'

const COMMAND = 'mysql --password=hunter2 < dump.sql'

t.test(
  'the caller that has a command executed is on record, whichever route it uses; the command itself is not',
  async t => {
    const gateway = await startGateway(t)
    const sha256 = sha256Of(`{"payload":{"command":"${COMMAND}"},"project":"shop","timeout_ms":null}`)
    const payload = { command: COMMAND }

    const shell = await send(gateway, 'POST', '/projects/shop/shell', payload)
    const job = await send(gateway, 'POST', '/api/jobs', { kind: 'command', project: 'shop', payload })
    const odd = await send(gateway, 'POST', '/api/jobs', { kind: 'command', payload: { command: [COMMAND] } })

    const { body } = await send(gateway, 'GET', '/api/audit', undefined, 'admin')
    const who = { action: 'command.started', principal: 'editor-of-acme', address: '127.0.0.1' }
    t.match(body, {
      entries: [
        { ...who, details: { job: odd.body.id, project: null, command_sha256: /^[0-9a-f]{64}$/ } },
        { ...who, details: { job: job.body.id, project: 'shop', command_sha256: sha256 } },
        { ...who, details: { job: shell.body.data?.id, project: 'shop', command_sha256: sha256 } },
      ],
    })
    t.notMatch(JSON.stringify(body), /hunter2|mysql/)
  },
)

t.test('the fingerprint of a command covers all fields that determine what runs, in any order', async t => {
  const gateway = await startGateway(t)
  const same = {
    kind: 'command',
    project: 'shop',
    payload: { command: 'make', env: { A: '1', é: '2', 10: '3', 9: '4' } },
  }
  const variants = [
    same,
    { ...same, title: 'For people', priority: 9, max_attempts: 1 },
    { ...same, payload: { env: { é: '2', 9: '4', 10: '3', A: '1' }, command: 'make' } },
    { ...same, payload: { ...same.payload, command: 'make ' } },
    { ...same, payload: { ...same.payload, env: { ...same.payload.env, A: '2' } } },
    { ...same, payload: { ...same.payload, timeout_ms: 5 } },
    { ...same, payload: { ...same.payload, stdin: 'yes' } },
    { ...same, project: 'other' },
    { ...same, timeout_ms: 5 },
  ]

  for (const job of variants) await send(gateway, 'POST', '/api/jobs', job)

  const { body } = await send(gateway, 'GET', '/api/audit', undefined, 'admin')
  const hashes = body.entries.map(({ details }) => details.command_sha256).reverse()
  const text =
    '{"payload":{"command":"make","env":{"10":"3","9":"4","A":"1","é":"2"}},"project":"shop","timeout_ms":null}'
  t.same(hashes.slice(0, 3), [sha256Of(text), sha256Of(text), sha256Of(text)])
  t.equal(new Set(hashes).size, variants.length - 2)
})

t.test('other jobs are no commands', async t => {
  const gateway = await startGateway(t)
  await send(gateway, 'POST', '/api/jobs', { kind: 'test-run', payload: { command: COMMAND } })
  await send(gateway, 'POST', '/api/executions', { title: 'nightly' })

  const { body } = await send(gateway, 'GET', '/api/audit', undefined, 'admin')

  t.strictSame(body.entries, [])
})

t.test('a command that cannot be put on record is not started', async t => {
  const gateway = await startGateway(t)
  await refuseEntries(gateway)

  const { status } = await send(gateway, 'POST', '/projects/shop/shell', { command: COMMAND })

  t.equal(status, 500)
  t.strictSame((await send(gateway, 'GET', '/api/jobs')).body.jobs, [])
})

t.test('a command that was not started is not on record', async t => {
  const gateway = await startGateway(t)
  await gateway.app.database.query(`
    create function public.refuse() returns trigger language plpgsql as $$ begin raise 'not at COMMIT'; end $$;
    create constraint trigger refuse after insert on sluice.jobs deferrable initially deferred
      for each row execute function public.refuse()`)

  const { status } = await send(gateway, 'POST', '/projects/shop/shell', { command: COMMAND })

  t.equal(status, 500)
  t.strictSame((await send(gateway, 'GET', '/api/audit', undefined, 'admin')).body.entries, [])
})

t.test('a change of access that fails at COMMIT is not on record', async t => {
  const gateway = await startGateway(t)
  const asAdmin = (method: string, path: string, content?: object) =>
    send(gateway, method, path, content, 'admin')
  const key = await asAdmin('POST', '/api/keys', { name: 'import', role: 'viewer' })
  const revocation = await asAdmin('POST', '/api/revocations', { subject: 'eve' })
  const before = await asAdmin('GET', '/api/audit')
  await gateway.app.database.query(`
    create function public.refuse() returns trigger language plpgsql as $$ begin raise 'not at COMMIT'; end $$;
    create constraint trigger refuse after insert on sluice.pending deferrable initially deferred
      for each row execute function public.refuse()`)

  const failed = [
    await asAdmin('POST', '/api/keys', { name: 'import', role: 'viewer' }),
    await asAdmin('POST', `/api/keys/${key.body.id}/rotate`, {}),
    await asAdmin('DELETE', `/api/keys/${key.body.id}`),
    await asAdmin('POST', '/api/revocations', { subject: 'ada' }),
    await asAdmin('DELETE', `/api/revocations/${revocation.body.id}`),
  ]

  t.same(
    failed.map(({ status }) => status),
    [500, 500, 500, 500, 500],
  )
  t.equal(before.body.entries.length, 2)
  t.strictSame((await asAdmin('GET', '/api/audit')).body, before.body)
})

t.test('a switch to maintenance that cannot be put on record is not made', async t => {
  const gateway = await startGateway(t)
  await refuseEntries(gateway)

  const { status } = await send(gateway, 'PUT', '/api/server/state', { mode: 'maintenance' }, 'admin')

  t.equal(status, 500)
  t.match((await send(gateway, 'GET', '/api/server/state')).body, { mode: 'normal' })
})

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function refuseEntries({ app }: Gateway): Promise<void> {
  await app.database.query('alter table sluice.audit add check (false)')
}

interface Answer {
  readonly status: number
  readonly body: {
    readonly id?: string
    readonly data?: { readonly id: string }
    readonly jobs?: readonly unknown[]
    readonly entries: readonly { readonly details: Readonly<Record<string, unknown>> }[]
  }
}

async function send(
  { url }: Gateway,
  method: string,
  path: string,
  content?: object,
  role: Role = 'editor',
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...as(role), ...(content && { 'content-type': 'application/json' }) },
    ...(content && { body: JSON.stringify(content) }),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}
