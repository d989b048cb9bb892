/**
 * Every route and every role. What is expected comes from the table in docs/security.md, not from the code: a route that
 * somebody opens by mistake, or adds without a word, is found here, in what the gateway really answers.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROLES, type Role } from '../../../src/auth/principal.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { as } from '../../harness/gateway.js'
import { gatewayWithRoutes, type Route } from '../../harness/routes.js'

/** The columns of the table; `nobody` is who has no token. */
const COLUMNS = ['nobody', ...ROLES] as const
type Caller = (typeof COLUMNS)[number]

t.test('each route accepts the documented roles, and no others', async t => {
  const documented = documentedCallers()
  const { url, routes } = await gatewayWithRoutes(t)
  const real = routes.filter(({ method }) => method !== 'OPTIONS')

  for (const route of real) {
    const callers = documented.get(nameOf(route))
    if (!callers) {
      t.fail(`${nameOf(route)} is not documented`)
      continue
    }
    for (const caller of COLUMNS) {
      const { status, code } = await ask(url, route, caller)
      const isHead = route.method === 'HEAD'
      const isRight = callers.has(caller)
        ? status !== 401 && code !== 'role-too-low' && status < 500
        : caller === 'nobody'
          ? status === 401 && (isHead || code === 'token-missing')
          : status === 403 && (isHead || code === 'role-too-low')
      if (!isRight) t.fail(`${route.method} ${route.url} as ${caller}: ${status} ${code}`)
    }
  }
  t.ok(real.length > 60, `${real.length} routes`)
})

/** Pages and files of the API's description, of the console and of the guide stand in one row each. */
function nameOf({ method, url }: Route): string {
  const path = url.replace(/^\/(docs|console|guide)(\/.*)?$/, '/$1/*')
  return `${method === 'HEAD' ? 'GET' : method} ${path}`
}

function documentedCallers(): Map<string, ReadonlySet<Caller>> {
  const text = readFileSync(join(packageRoot, 'docs/security.md'), 'utf8')
  const rows = text.matchAll(/^\| `([A-Z]+ \/[^`]*)` \|([ ✓|]+)\|$/gm)
  return new Map(
    [...rows].map(([, route = '', cells = '']) => {
      const marks = cells.split('|').map(cell => cell.trim() === '✓')
      return [route, new Set(COLUMNS.filter((_, at) => marks[at]))]
    }),
  )
}

async function ask(url: string, { method, path }: Route, caller: Caller) {
  const hasBody = ['POST', 'PUT', 'PATCH'].includes(method)
  const response = await fetch(`${url}${path}`, {
    method,
    // A page, since a stream would not end.
    headers: {
      accept: 'application/json',
      ...(hasBody && { 'content-type': 'application/json' }),
      ...(caller !== 'nobody' && as(caller as Role)),
    },
    ...(hasBody && { body: '{}' }),
  })
  const text = await response.text()
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
  return { status: response.status, code: isProblem && text ? String(JSON.parse(text).code) : '' }
}
