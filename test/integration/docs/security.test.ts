/**
 * docs/security.md: its table of routes is made from the gateway, and what it promises is tested by files that there are.
 * After a change of the routes: `SLUICE_UPDATE_DOCS=1 npm test -- test/integration/docs/security.test.ts`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { allows, ROLES } from '../../../src/auth/principal.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { read, rows, section } from '../../harness/document.js'
import { gatewayWithRoutes, type Route } from '../../harness/routes.js'

const PAGE = 'docs/security.md'
const PLACE = /(<!-- routes: .*-->\n)([\s\S]*?)(<!-- \/routes -->)/

t.test('the page lists every route of the gateway with the roles that may use it', async t => {
  const { routes } = await gatewayWithRoutes(t)
  const made = table(routes)
  if (process.env.SLUICE_UPDATE_DOCS === '1') {
    const updated = read(PAGE).replace(PLACE, (_, start, __, end) => `${start}\n${made}\n${end}`)
    writeFileSync(join(packageRoot, PAGE), updated)
  }

  const [, , listed = ''] = PLACE.exec(read(PAGE)) ?? []

  t.equal(listed.trim(), made.trim())
  t.ok(routes.length > 40)
})

t.test('each promise names the test that fails without it', async t => {
  const promises = rows(section(read(PAGE), '## What is promised'))

  t.ok(promises.length > 20)
  for (const [promise = '', , shown = ''] of promises)
    t.match(shown, /\]\(\.\.\/test\/.*\.test\.ts\)/, promise)
})

function table(routes: readonly Route[]): string {
  const shown = routes
    .filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS')
    .map(({ method, url, roles }) => ({
      method,
      url: url.replace(/^\/(docs|console|guide)\b.*/, '/$1/*'),
      roles,
    }))
    .toSorted((one, other) => compare(one.url, other.url) || compare(one.method, other.method))
  const lines = shown.map(({ method, url, roles }) => {
    const marks = ROLES.map(role => (roles === 'public' || allows(role, roles) ? '✓' : ''))
    return `| \`${method} ${url}\` | ${[roles === 'public' ? '✓' : '', ...marks].join(' | ')} |\n`
  })
  const head = `| route | anybody | ${ROLES.join(' | ')} |\n|---|${':-:|'.repeat(ROLES.length + 1)}\n`
  return head + [...new Set(lines)].join('')
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
