import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, readConfig } from '../../../src/config/config.js'
import { ArtifactLinks, isArtifactPath } from '../../../src/jobs/artifacts.js'
import { movableClock } from '../../harness/clock.js'
import { create, EDITOR, run, STORIES } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { connectRaw, get } from '../../harness/raw-client.js'
import { temporaryFolder } from '../../harness/server.js'
import { SECRET } from '../../harness/tokens.js'
import { watch } from '../../harness/transcript.js'

const story = STORIES.runs
const LINKS = new ArtifactLinks(SECRET)

t.test(
  'a snapshot links the artifacts of the run, and a link is enough to download, without a token',
  async t => {
    const { folder, url, app } = await start(t)
    await writeFile(join(folder, 'acme', 'report (1) ä#?%20.html'), '<script>alert(1)</script>')
    const job = await create(app, story)
    await run(app, story, job)
    const name = 'report'
    const artifacts = [
      { name, path: 'old.html' },
      { name, path: 'report (1) ä#?%20.html' },
      { name: 'secret', path: '../globex/plan.txt' },
      { name: 'nameless' },
    ]
    for (const data of artifacts) {
      await app.jobs.append(EDITOR, job.id, [{ type: 'artifact', data }], { attempt: 1 })
    }

    const [snapshot] = await (await watch(t, url + story.path(job.id))).until(1)
    const listed = JSON.parse(snapshot?.data ?? '').run.artifacts
    const file = await fetch(url + listed[0]?.url)

    t.equal(listed.length, 1)
    t.match(listed, [
      { name, url: /^\/api\/v1\/artifacts\/acme\/report.*\?expires=\d+&signature=[\w-]{43}$/ },
    ])
    t.equal(file.status, 200)
    t.equal(await file.text(), '<script>alert(1)</script>')
    t.equal(file.headers.get('x-content-type-options'), 'nosniff')
    t.match(
      file.headers.get('content-disposition'),
      /^attachment; filename\*=UTF-8''report%20%281%29%20%C3%A4%23/,
    )
    t.equal(file.headers.get('cache-control'), 'private, no-cache')
  },
)

t.test(
  'a link of the previous secret is valid too, and new links are signed with the current one',
  async t => {
    const previous = `${SECRET} of yesterday`
    const { folder, url } = await start(t, { JWT_SECRET_PREVIOUS: previous })
    await writeFile(join(folder, 'acme', 'a.txt'), 'a')
    const now = Date.now()
    const statusOf = async (links: ArtifactLinks) =>
      (await fetch(url + links.sign('acme', 'a.txt', now))).status

    t.equal(await statusOf(new ArtifactLinks(previous)), 200)
    t.equal(await statusOf(new ArtifactLinks(`${previous}!`)), 403)
    t.equal(
      new ArtifactLinks(SECRET, '', previous).sign('acme', 'a.txt', now),
      LINKS.sign('acme', 'a.txt', now),
    )
  },
)

t.test(
  'a link of an API key opens while the grants of the key allow the run, by its id or its project',
  async t => {
    const { folder, url, app } = await start(t)
    await writeFile(join(folder, 'acme', 'a.txt'), 'a')
    const admin = { ...as('admin'), 'content-type': 'application/json' }
    const ask = async (method: string, path: string, body: object) =>
      (await fetch(url + path, { method, headers: admin, body: JSON.stringify(body) })).json()
    const grants = (...subscribe: string[]) => ({ grants: { subscribe } })
    const job = await app.jobs.create(EDITOR, { kind: 'run', project: 'website' }, 'running')
    await app.jobs.append(EDITOR, job.id, [{ type: 'artifact', data: { name: 'a', path: 'a.txt' } }], {})
    const key = Object(
      await ask('POST', '/api/keys', { name: 'k', role: 'viewer', ...grants('project/website/*') }),
    )
    const snapshot = await fetch(`${url}/api/v1/runs/${job.id}`, { headers: { 'x-api-key': key.key } })
    const link = url + Object(await snapshot.json()).artifacts[0].url

    const statuses: number[] = []
    const status = async () => statuses.push((await fetch(link)).status)
    await status()
    for (const change of [
      grants('project/shop/*'),
      grants(`job:${job.id}`),
      { grants: { subscribe: ['job:*'], types: ['a.*'] } },
      { grants: null },
    ]) {
      await ask('PATCH', `/api/keys/${key.id}`, change)
      await status()
    }
    const forged = await fetch(link.replace(/run=[^&]*/, 'run=another'))

    t.strictSame(statuses, [200, 403, 200, 403, 200])
    t.equal(forged.status, 403)
  },
)

t.test('a link is good for its file, its workspace and its time only', async t => {
  const { folder, url } = await start(t)
  const clock = movableClock(t)
  const link = LINKS.sign('acme', 'a.txt', Date.now())
  const statusOf = async (link: string) => {
    const response = await fetch(url + link)
    const text = await response.text()
    return response.status === 200 ? [200, text] : [response.status, JSON.parse(text).code]
  }
  await writeFile(join(folder, 'acme', 'a.txt'), 'a')
  await writeFile(join(folder, 'acme', 'b.txt'), 'b')
  await writeFile(join(folder, 'globex', 'a.txt'), 'other')
  const later = (text: string) => text.replace(/expires=(\d+)/, (_, at) => `expires=${Number(at) + 60}`)

  t.same(await statusOf(link), [200, 'a'])
  t.same(await statusOf(link.replace('a.txt', 'b.txt')), [403, 'link-invalid'])
  t.same(await statusOf(link.replace('/acme/', '/globex/')), [403, 'link-invalid'])
  t.same(await statusOf(later(link)), [403, 'link-invalid'])
  t.same(await statusOf(link.slice(0, -1)), [403, 'link-invalid'])
  t.same(await statusOf(`${link}A`), [403, 'link-invalid'])
  t.same(await statusOf(new ArtifactLinks(`${SECRET}!`).sign('acme', 'a.txt', Date.now())), [
    403,
    'link-invalid',
  ])
  t.same(await statusOf(link.replace(/signature=.*/, 'signature=')), [403, 'link-invalid'])
  t.same(await statusOf(link.replace(/&signature=.*/, '')), [400, 'invalid-request'])
  t.same(await statusOf(link.replace(/expires=\d+/, 'expires=soon')), [400, 'invalid-request'])
  t.same(await statusOf(LINKS.sign('acme', 'missing.txt', Date.now())), [404, 'not-found'])
  clock.forward(15 * 60_000)
  t.same(await statusOf(link), [410, 'link-expired'])
})

t.test('no link, even one that is signed, leads out of the folder of its workspace', async t => {
  const { folder, url } = await start(t)
  await writeFile(join(folder, 'outside.txt'), 'secret')
  await writeFile(join(folder, 'globex', 'plan.txt'), 'secret')
  await writeFile(join(folder, 'acme', '.env'), 'secret')
  await mkdir(join(folder, 'acme', '.git'))
  await writeFile(join(folder, 'acme', '.git', 'config'), 'secret')
  await mkdir(join(folder, 'acme', 'pages'))
  await writeFile(join(folder, 'acme', 'pages', 'index.html'), 'a folder is no file')
  await symlink(join(folder, 'outside.txt'), join(folder, 'acme', 'link.txt'))
  await symlink(join(folder, 'globex'), join(folder, 'acme', 'neighbour'))
  await symlink('.env', join(folder, 'acme', 'env.txt'))
  await symlink(join(folder, 'globex'), join(folder, 'umbrella'))
  const paths = [
    '../outside.txt',
    '..',
    '.',
    '',
    '/etc/passwd',
    '//etc/passwd',
    'pages/../../outside.txt',
    './link.txt',
    '.env',
    '.git/config',
    'pages/.hidden',
    '..\\outside.txt',
    'a\0.txt',
    'a\n.txt',
    'C:x',
    'pages//index.html',
    'link.txt',
    'neighbour/plan.txt',
    'env.txt',
    'pages',
    'pages/',
    'x'.repeat(600),
  ]

  for (const path of paths) {
    const link = LINKS.sign('acme', path, Date.now())
    for (const form of [link, link.replaceAll('%2F', '/'), link.replace('/acme/', '/acme/%2e%2e/acme/')]) {
      const client = await connectRaw(t, Number(new URL(url).port), get(form, '1.1', 'Connection: close\n'))
      await client.over

      t.match(client.text(), form === link ? /^HTTP\/1\.1 404 / : /^HTTP\/1\.1 4\d\d /, JSON.stringify(path))
      t.notMatch(client.text(), /secret|no file/)
    }
  }
  // A folder of a workspace may lie elsewhere; what it links to is its own.
  const moved = await fetch(url + LINKS.sign('umbrella', 'plan.txt', Date.now()))
  t.equal(moved.status, 200)
})

t.test('only relative paths to files that are not hidden are artifacts', async t => {
  for (const path of ['a', 'a.txt', 'a/b c/d.tar.gz', 'ä…/😀', 'a..b', 'x'.repeat(512)])
    t.ok(isArtifactPath(path), path)
  for (const path of [
    null,
    7,
    {},
    '',
    'x'.repeat(513),
    'a/',
    '/a',
    'a//b',
    'a/./b',
    'a/..',
    'a\tb',
    'a\ud800',
  ]) {
    t.notOk(isArtifactPath(path), JSON.stringify(path))
  }
})

t.test('without a folder there are neither links nor files', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  await run(app, story, job)
  const data = { name: 'a', path: 'a.txt' }
  await app.jobs.append(EDITOR, job.id, [{ type: 'artifact', data }], { attempt: 1 })

  const [snapshot] = await (await watch(t, url + story.path(job.id))).until(1)
  const file = await fetch(url + LINKS.sign('acme', 'a.txt', Date.now()))

  t.same(JSON.parse(snapshot?.data ?? '').run.artifacts, [])
  t.equal(file.status, 404)
})

t.test('the key for links is its own, whatever secret it is derived from', async t => {
  const other = 'another secret, 32 characters and more'
  const { folder, url } = await start(t, { ARTIFACTS_SECRET: other })
  await writeFile(join(folder, 'acme', 'a.txt'), 'a')
  const now = Date.now()
  const statusOf = async (links: ArtifactLinks) =>
    (await fetch(url + links.sign('acme', 'a.txt', now))).status

  t.equal(await statusOf(new ArtifactLinks(other)), 200)
  t.equal(await statusOf(LINKS), 403)
  const base = { NODE_ENV: 'development', ARTIFACTS_DIR: '/srv/artifacts', JWKS_URL: 'https://idp.example' }
  t.throws(
    () => readConfig(base),
    new ConfigError([
      'ARTIFACTS_DIR needs ARTIFACTS_SECRET here: a public key verifies tokens, but cannot sign links.',
    ]),
  )
  t.ok(readConfig({ ...base, ARTIFACTS_SECRET: other }))
})

async function start(t: Test, env: Readonly<Record<string, string>> = {}) {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const workspace of ['acme', 'globex']) await mkdir(join(folder, workspace))
  return { folder, ...(await startGateway(t, { env: { ARTIFACTS_DIR: folder, ...env } })) }
}
