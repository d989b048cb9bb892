/** Projects as a resource: what admins declare, who sees it, and what is on record. */
import t from 'tap'
import { startGateway } from '../../harness/gateway.js'
import { ask, ORIGIN_LIKE, type Project } from './project-client.js'

t.test(
  'an admin declares, changes and deletes a project, each on record without the texts of commands',
  async t => {
    const { url } = await startGateway(t)
    const rules = {
      members: ['editor-of-acme', 'key:0123456789ab'],
      executor: 'container',
      image: 'node:22',
      allowed_commands: ['npm test', 'PASSWORD=hunter2 make'],
      allowed_env: ['CI'],
    }

    const declared = await ask(url, 'admin', 'POST', '/projects', { id: 'web site/ä', ...rules })
    const path = declared.headers.get('location') ?? ''
    const read = await ask<Project>(url, 'editor', 'GET', path)
    const changed = await ask<Project>(url, 'admin', 'PATCH', path, { image: null, allowed_commands: null })
    const deleted = await ask(url, 'admin', 'DELETE', path)

    t.equal(declared.status, 201)
    t.equal(path, `/projects/${encodeURIComponent('web site/ä')}`)
    t.match(read.body, { id: 'web site/ä', ...rules, created_by: 'admin-of-acme' })
    t.match(changed.body, { ...rules, image: null, allowed_commands: null })
    t.ok(changed.body.updated_at >= read.body.updated_at)
    t.equal(deleted.status, 204)
    t.match(await ask(url, 'admin', 'GET', path), { status: 404, body: { code: 'not-found' } })
    t.match(await ask(url, 'admin', 'PATCH', path, {}), { status: 404 })
    t.match(await ask(url, 'admin', 'DELETE', path), { status: 404 })
    const { body } = await ask<{ entries: { action: string; details: object }[] }>(
      url,
      'admin',
      'GET',
      '/api/audit',
    )
    t.match(body.entries, [
      { ...ORIGIN_LIKE, action: 'project.deleted', details: { project: 'web site/ä' } },
      { ...ORIGIN_LIKE, action: 'project.changed', details: { project: 'web site/ä', image: null } },
      {
        ...ORIGIN_LIKE,
        action: 'project.declared',
        details: { members: rules.members, executor: 'container', allowed_commands: 2, allowed_env: ['CI'] },
      },
    ])
    t.equal(body.entries.length, 3)
    t.notMatch(JSON.stringify(body), /hunter2/)
  },
)

t.test('a project without rules is open to everybody, and is declared once', async t => {
  const { url } = await startGateway(t)

  const { body } = await ask<Project>(url, 'admin', 'POST', '/projects', { id: 'website' })
  const again = await ask(url, 'admin', 'POST', '/projects', { id: 'website', image: 'x' })

  t.match(body, { members: [], executor: null, image: null, allowed_commands: null, allowed_env: null })
  t.match(again, { status: 409, body: { code: 'project-exists' } })
  t.match((await ask<Project>(url, 'viewer', 'GET', '/projects/website')).body, { image: null })
})

t.test('the list has pages, newest first, and only the projects that the caller may enter', async t => {
  const { url } = await startGateway(t)
  const ids = ['a:b', 'b', 'c', 'd', 'e']
  for (const id of ids) {
    const members = id === 'c' ? ['somebody'] : id === 'd' ? ['viewer-of-acme'] : []
    await ask(url, 'admin', 'POST', '/projects', { id, members })
  }
  await ask(url, 'admin', 'POST', '/projects', { id: 'theirs' }, 'rival')

  t.same(await listed(url, 'admin', 2), ['e', 'd', 'c', 'b', 'a:b'])
  t.same(await listed(url, 'viewer', 3), ['e', 'd', 'b', 'a:b'])
  t.same(await listed(url, 'admin', 2, 'rival'), ['theirs'])
  t.match(await ask(url, 'editor', 'GET', '/projects/c'), { status: 404 })
  t.match(await ask(url, 'admin', 'GET', '/projects/theirs'), { status: 404 }, 'another workspace')
  t.match(await ask(url, 'admin', 'GET', '/projects?cursor=x'), {
    status: 400,
    body: { code: 'invalid-cursor' },
  })
})

t.test('bad projects are refused, each with its reason', async t => {
  const { url } = await startGateway(t)
  const cases: [body: object, fault: RegExp][] = [
    [{}, /id/],
    [{ id: '' }, /id/],
    [{ id: 'a\nb' }, /id must be one line of text/],
    [{ id: '.' }, /id must be .* neither \. nor \.\./],
    [{ id: '..' }, /id must be/],
    [{ id: 'x'.repeat(129) }, /id/],
    [{ id: 'a', members: 'ada' }, /members/],
    [{ id: 'a', members: ['ada', 'ada'] }, /members/],
    [
      { id: 'a', executor: '../x' },
      /^body\/executor must be a lower-case letter and up to 31 characters of a-z 0-9 -\.$/,
    ],
    [{ id: 'a', allowed_commands: [''] }, /^body\/allowed_commands\/0 must NOT have fewer/],
    [{ id: 'a', allowed_commands: ['a\0b'] }, /allowed_commands\/0 must be text without U\+0000/],
    [{ id: 'a', allowed_commands: Array.from({ length: 101 }, (_, n) => `${n}`) }, /allowed_commands/],
    [{ id: 'a', allowed_env: ['A B'] }, /allowed_env\/0 must be a letter or _/],
    [{ id: 'a', owner: 'ada' }, /owner/],
  ]

  for (const [body, fault] of cases) {
    const answer = await ask<{ detail: string }>(url, 'admin', 'POST', '/projects', body)

    t.equal(answer.status, 400, JSON.stringify(body).slice(0, 80))
    t.match(answer.body.detail, fault)
  }
})

async function listed(
  url: string,
  role: 'admin' | 'viewer',
  limit: number,
  workspace = 'acme',
): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const path: string = `/projects?limit=${limit}${cursor && `&cursor=${cursor}`}`
    const { body }: { body: { projects: Project[]; next_cursor: string | null } } = await ask(
      url,
      role,
      'GET',
      path,
      undefined,
      workspace,
    )
    if (body.projects.length > limit) throw new Error('The page is too long.')
    ids.push(...body.projects.map(({ id }) => id))
    cursor = body.next_cursor
  }
  return ids
}
