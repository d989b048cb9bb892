/**
 * Every route and every role. What is expected comes from the documentation, not from the code: an admin route that
 * somebody opens by mistake, or adds without a word, is found here.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROLES, type Role } from '../../src/auth/principal.js'
import { packageRoot } from '../../src/package-root.js'
import { as } from '../harness/gateway.js'
import { gatewayWithRoutes, type Route } from './routes.js'

/** The console and the pages about the API: static, public, and not in the table one by one. */
const PAGES = /^\/(docs|console)\//

/** May what asks for `documented` be done with `role`? In words of its own, so that it is not the code's mistake twice. */
function may(role: Role, documented: readonly string[]): boolean {
  const higher: Readonly<Record<Role, readonly string[]>> = {
    viewer: ['viewer'],
    editor: ['viewer', 'editor'],
    admin: ['viewer', 'editor', 'admin'],
    runner: ['runner'],
  }
  return documented.some(name => higher[role].includes(name))
}

t.test('each route takes the roles that are documented for it, and no other', async t => {
  const documented = documentedRoles()
  const { url, routes } = await gatewayWithRoutes(t)
  const guarded = routes.filter(route => documented.get(nameOf(route)) !== 'public' && !PAGES.test(route.url))

  for (const route of guarded) {
    const roles = documented.get(nameOf(route))
    if (!Array.isArray(roles)) {
      t.equal(route.method, 'OPTIONS', `${nameOf(route)} is documented`)
      continue
    }
    const anonymous = await ask(url, route)
    t.same(anonymous, { status: 401, code: route.method === 'HEAD' ? '' : 'token-missing' }, nameOf(route))
    for (const role of ROLES) {
      const { status, code } = await ask(url, route, role)
      const isRight = may(role, roles)
        ? status !== 401 && status !== 403 && status < 500
        : status === 403 && (route.method === 'HEAD' || code === 'role-too-low')
      if (!isRight) t.fail(`${nameOf(route)} as ${role}: ${status} ${code}`)
    }
  }
  t.ok(guarded.length > 40, `${guarded.length} routes`)
})

t.test('what is documented as public, and only that, answers without a token', async t => {
  const documented = documentedRoles()
  const { routes } = await gatewayWithRoutes(t)

  const open = routes.filter(({ url, roles }) => roles === 'public' && !PAGES.test(url))
  t.strictSame(
    open.map(nameOf).filter(name => documented.get(name) !== 'public' && !name.startsWith('OPTIONS')),
    [],
  )
})

function nameOf({ method, url }: Route): string {
  return `${method === 'HEAD' ? 'GET' : method} ${url}`
}

/** From the table of docs/protocol.md. */
function documentedRoles(): Map<string, readonly string[] | 'public'> {
  const text = readFileSync(join(packageRoot, 'docs/protocol.md'), 'utf8')
  const rows = text.matchAll(/^\| (`[A-Z]+ \/[^|]*) \| ([a-z, ]+) \|/gm)
  return new Map(
    [...rows].flatMap(([, routes = '', roles = '']) =>
      [...routes.matchAll(/`([^`]+)`/g)].map(([, route = '']): [string, readonly string[] | 'public'] => [
        route,
        roles === 'public' ? roles : roles.split(', '),
      ]),
    ),
  )
}

async function ask(url: string, { method, path }: Route, role?: Role) {
  const hasBody = ['POST', 'PUT', 'PATCH'].includes(method)
  const response = await fetch(`${url}${path}`, {
    method,
    // A page, since a stream would not end.
    headers: {
      accept: 'application/json',
      ...(hasBody && { 'content-type': 'application/json' }),
      ...(role && as(role)),
    },
    ...(hasBody && { body: '{}' }),
  })
  const text = await response.text()
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
  return { status: response.status, code: isProblem && text ? String(JSON.parse(text).code) : '' }
}
