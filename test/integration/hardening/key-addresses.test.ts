/**
 * What is made from a key that is good from some addresses only. A ticket, the cookie that comes back with it, or a link to a
 * file would otherwise carry the access of the key to wherever its URL is seen.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { temporaryFolder } from '../../harness/server.js'

const GOOD = '192.0.2.7'
const BAD = '198.51.100.9'
const folder = await temporaryFolder()
t.teardown(() => rm(folder, { recursive: true, force: true }))
const { app, url } = await startGateway(t, { env: { TRUSTED_PROXIES: '127.0.0.1', ARTIFACTS_DIR: folder } })
const key = await createKey({ allowed_ips: ['192.0.2.0/24', '2001:db8::/32'] })

t.test('a ticket is accepted only from the addresses of its key, and is not spent elsewhere', async t => {
  const { url: path, ticket } = await issue('/api/events')
  const unknown = await refusal(`/api/events?ticket=${'A'.repeat(43)}`, BAD)

  const elsewhere = await refusal(path, BAD)

  t.match(elsewhere, { status: 401, code: 'ticket-invalid' })
  t.same(elsewhere, unknown, 'as one that there is not')
  const stream = await openStream(t, url + path, { headers: from(GOOD) })
  t.equal(stream.response.statusCode, 200)
  const cookie = [stream.response.headers['set-cookie']].flat()[0]?.split(';')[0] ?? ''
  for (const [address, status] of [
    [BAD, 401],
    ['::ffff:198.51.100.9', 401],
    ['2001:db9::1', 401],
    [GOOD, 200],
    ['::ffff:192.0.2.8', 200],
    ['2001:db8::1', 200],
  ] as const) {
    const again = await openStream(t, url + path, { headers: { ...from(address), cookie } })
    t.equal(again.response.statusCode, status, `back from ${address}`)
  }
  t.notMatch(JSON.stringify(elsewhere), ticket)
})

t.test('a key works from its addresses, and so do its successor and their tickets', async t => {
  const { id } = await createKey({ allowed_ips: [GOOD] })
  const rotated = await fetch(`${url}/api/keys/${id}/rotate`, { method: 'POST', headers: as('admin') })
  const { key: successor } = (await rotated.json()) as { key: string }

  const { url: path } = await issue('/api/events', successor)

  t.match(await refusal('/api/events', BAD, { 'x-api-key': successor }), { code: 'address-not-allowed' })
  t.match(await refusal(path, BAD), { status: 401, code: 'ticket-invalid' })
})

t.test('tickets of tokens, and of keys without addresses, are accepted from anywhere', async t => {
  const { key: free } = await createKey({})
  for (const path of [
    (await issue('/api/events', free)).url,
    (await issue('/api/events', undefined, as('viewer'))).url,
  ]) {
    t.equal((await openStream(t, url + path, { headers: from(BAD) })).response.statusCode, 200)
  }
})

t.test('a link that was made with a key works from the addresses of the key, until the key ends', async t => {
  const link = await linkFor(key.key)
  const made = await refusal(link.replace(/signature=.*/, `signature=${'A'.repeat(43)}`), BAD)

  const elsewhere = await refusal(link, BAD)
  const here = await fetch(url + link, { headers: from(GOOD) })

  t.match(elsewhere, { status: 403, code: 'link-invalid' })
  t.same(elsewhere, made, 'as one that was made up')
  t.equal(await here.text(), 'a report')
  t.match(await refusal(link.replace(/key=\w+&/, ''), GOOD), { code: 'link-invalid' }, 'without the key')
  const { key: free, id } = await createKey({})
  const anywhere = await linkFor(free)
  t.equal((await fetch(url + anywhere, { headers: from(BAD) })).status, 200)
  await fetch(`${url}/api/keys/${id}`, { method: 'DELETE', headers: as('admin') })
  t.match(await refusal(anywhere, BAD), { code: 'link-invalid' }, 'after the end of the key')
})

function from(address: string): Record<string, string> {
  return { 'x-forwarded-for': address }
}

async function createKey(rules: object): Promise<{ id: string; key: string }> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'a key', role: 'viewer', ...rules }),
  })
  return (await response.json()) as { id: string; key: string }
}

async function issue(
  path: string,
  credentials = key.key,
  headers: Record<string, string> = { 'x-api-key': credentials },
): Promise<{ url: string; ticket: string }> {
  const response = await fetch(`${url}/api/stream-tickets`, {
    method: 'POST',
    headers: { ...headers, ...from(GOOD), 'content-type': 'application/json' },
    body: JSON.stringify({ path }),
  })
  return (await response.json()) as { url: string; ticket: string }
}

async function refusal(path: string, address: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, {
    headers: { accept: 'application/json', ...headers, ...from(address) },
  })
  const { request_id: _, ...problem } = (await response.json()) as { code: string; request_id: string }
  return problem
}

/** From the snapshot of a run that has left a file. */
async function linkFor(credentials: string): Promise<string> {
  const editor = { id: 'ada', workspace: 'acme' }
  await mkdir(join(folder, 'acme'), { recursive: true })
  await writeFile(join(folder, 'acme', 'report.txt'), 'a report')
  const { id } = await app.jobs.create(editor, { kind: 'run' }, 'running')
  const data = { name: 'report', path: 'report.txt' }
  await app.jobs.append(editor, id, [{ type: 'artifact', data }], {})
  const headers = { 'x-api-key': credentials, ...from(GOOD) }
  const stream = await openStream(t, `${url}/api/v1/runs/${id}/events`, { headers })
  const [snapshot] = await stream.until(1)
  return JSON.parse(snapshot?.data ?? '').run.artifacts[0].url
}
