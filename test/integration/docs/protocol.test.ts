/** docs/protocol.md is complete: it has each code, notice, reason, mode and route that the code has, and no other. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MODES } from '../../../src/hub/mode.js'
import { MAX_DATA_BYTES, MAX_DATA_DEPTH, MAX_EVENTS_PER_REQUEST } from '../../../src/log/event.js'
import { RESERVED_TYPES } from '../../../src/log/event-catalogue.js'
import { NOTICES } from '../../../src/log/notice-catalogue.js'
import { ProblemMembers } from '../../../src/problems/problem-members.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { read, rows, section } from '../../harness/document.js'
import { startGateway } from '../../harness/gateway.js'

const protocol = read('docs/protocol.md')
const code = ['src', 'plugins', 'routes'].flatMap(sourcesIn).map(read).join('\n')
const notices = section(protocol, '### Notices')
const RESET_REASONS = NOTICES.reset.data.properties.reason.enum

/** Where a code is not written beside `new Problem`. A new such place needs a rule in `problemsInCode`. */
const CODES_FROM_ELSEWHERE = [
  '...refusal',
  'status, code',
  'error.status, error.code',
  '503, code',
  '409, why',
  '422, why',
  '429, why',
  '410, reset.reason',
]

t.test('the table of problems has every code with its status, and no other', async t => {
  const listed = rows(section(protocol, '## Problems')).flatMap(([name = '', statuses = '']) =>
    statuses.split(', ').map(status => `${status} ${bare(name)}`),
  )

  t.strictSame(listed.sort(), problemsInCode().sort())
})

t.test('every further member of a problem is explained', async t => {
  const explained = section(protocol, '## Problems').split('\n|')[0] ?? ''

  for (const member of Object.keys(ProblemMembers.properties)) t.match(explained, `\`${member}\``)
})

t.test('codes that stand apart from their status are known to this test', async t => {
  const found = [...code.matchAll(/new Problem\(\s*(?=\S)(?!\w+,\s*')([^,)]+(?:,\s*[^,)\s]+)?)/g)]

  t.strictSame(
    [...new Set(found.map(([, start = '']) => start.replace(/\s+/g, ' ')))].sort(),
    CODES_FROM_ELSEWHERE.toSorted(),
  )
})

t.test('the notices are those of the code', async t => {
  const listed = firstCells(notices.slice(0, notices.indexOf('Reasons of a `reset`')))

  t.strictSame(listed.sort(), Object.keys(NOTICES).sort())
})

t.test(
  'the reasons of reset and unavailable are those of the catalogue, and nginx gives one of them',
  async t => {
    const resets = firstCells(notices.slice(notices.indexOf('Reasons of a `reset`')))
    const unavailable = spans(/^\| `unavailable` .*Reasons: (.*)$/m.exec(notices)?.[1] ?? '')
    const upstream = [...read('deploy/nginx.conf').matchAll(/"reason":"([a-z]+)"/g)].map(
      ([, reason]) => reason,
    )

    t.strictSame(resets.sort(), RESET_REASONS.toSorted())
    t.strictSame(
      unavailable.filter(reason => reason !== 'nginx.conf').sort(),
      NOTICES.unavailable.data.properties.reason.enum.toSorted(),
    )
    t.strictSame(new Set(upstream), new Set(['upstream']))
  },
)

t.test('the reserved types are those of the code', async t => {
  const listed = spans(section(protocol, '### Reserved types').split('An event of such a type')[0] ?? '')

  t.strictSame(listed.sort(), [...RESERVED_TYPES].sort())
})

t.test('every mode is explained, to clients and to operators', async t => {
  const explained = /^\| `server.state` .*$/m.exec(notices)?.[0] ?? ''

  for (const mode of MODES) {
    t.match(explained, `\`${mode}\``)
    t.match(section(protocol, '## Server state, health, readiness'), `\`${mode}\``)
  }
})

t.test('the routes, and the roles that they need, are those of the gateway', async t => {
  const { url } = await startGateway(t)
  const description = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { 'x-sluice-role'?: string }>>
  }
  const served = Object.entries(description.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => method !== 'head')
      .map(([method, operation]) => {
        const route = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1').replace('{*}', '*')}`
        return `${route} ${operation['x-sluice-role'] ?? 'public'}`
      }),
  )

  const listed = rows(section(protocol, '## Routes')).flatMap(([routes = '', role]) =>
    spans(routes).map(route => `${route} ${role}`),
  )

  // They describe and show the others, and are not in the description themselves.
  const documents = [
    '/',
    '/docs',
    '/docs/streams',
    '/openapi.json',
    '/asyncapi.json',
    '/schemas',
    '/schemas/*',
    '/guide',
    '/guide/*',
  ]
  const hidden = documents.map(path => `GET ${path} public`)
  t.strictSame(listed.sort(), [...served, ...hidden].sort())
})

t.test('the limits of an event are those of the code', async t => {
  const table = section(protocol, '## Limits')

  t.match(table, `${MAX_DATA_BYTES.toLocaleString('en')} bytes of JSON, ${MAX_DATA_DEPTH} levels`)
  t.match(table, `| events in one publish | ${MAX_EVENTS_PER_REQUEST.toLocaleString('en')} |`)
})

function problemsInCode(): string[] {
  const written = [
    ...code.matchAll(/(?:new Problem\(|: \[)\s*(\d{3}),\s*'([a-z0-9-]+)'/g),
    ...code.matchAll(/(?:\b(?:unavailable|later)\()()\s*'([a-z-]+)'/g),
    // Of subscriptions: src/durable-streams/subscriptions/subscription-problem.ts
    ...code.matchAll(/\brefusal\(\s*(\d{3}),\s*'([a-z-]+)'/g),
    // Of deleted streams: routes/compat/durable-headers.ts
    ...[...code.matchAll(/\bgone\((\d{3})\)/g)].map(([all, status]) => [all, status, 'stream-gone']),
    ...[...code.matchAll(/case '([a-z-]+)':\s*return new Problem\(\s*(\d{3}),\s*why/g)].map(
      ([all, name, status]) => [all, status, name],
    ),
    ...read('deploy/nginx.conf').matchAll(/"status":(\d+),"code":"([a-z-]+)"/g),
  ].map(([, status, name]) => `${status || 503} ${name}`)
  // A page of a deleted stream is 404.
  const reasons = RESET_REASONS.filter(reason => reason !== 'deleted')
  return [...new Set([...written, ...reasons.map(reason => `410 ${reason}`)])]
}

function firstCells(text: string): string[] {
  return rows(text).map(([first = '']) => bare(first))
}

function spans(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span)
}

function bare(cell: string): string {
  return cell.replaceAll('`', '')
}

function sourcesIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => join(folder, name))
}
