/**
 * The order of the house (docs/architecture.md): which file may import which, and what files may be called. It reads
 * the sources themselves, so it fails when an import or a name breaks the order.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { packageRoot } from '../src/process/package-root.js'

/** The rooms of src/, lowest first. A file imports from its own room and from lower ones. */
const ROOMS = [
  'problems',
  'openapi',
  'network',
  'logging',
  'config',
  'bytes',
  'metrics',
  'clients',
  'process',
  'tracing',
  'database',
  'embedded-postgres',
  'paging',
  'log',
  'bus',
  'cluster',
  'sse',
  'specifications',
  'http',
  'hub',
  'engine',
  'audit',
  'streams',
  'redaction',
  'auth',
  'limits',
  'usage',
  'consumers',
  'items',
  'jobs',
  'maintenance',
  'webhooks',
  'durable-streams',
  'explain',
  'workspaces',
  'runner',
]
/** All that is TypeScript and not generated. `test/` is not part of the house: it may import from everywhere. */
const FLOORS = ['src', 'plugins', 'routes', 'server', 'scripts', 'bench', 'console', 'clients']
/** The floors that each floor may import from, besides itself. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  src: [],
  plugins: ['src'],
  routes: ['src'],
  server: ['src', 'plugins', 'routes', 'clients'],
  scripts: ['src', 'server'],
  bench: ['src', 'plugins', 'server', 'clients'],
  console: ['src'],
  // They know nothing of the gateway but the wire.
  clients: [],
}
/** Puts plugins and routes together. */
const PUTS_TOGETHER = 'plugins/gateway.ts'
/** What a name of a package leads to, which has no code of its own. */
const PACKAGE_ENTRIES = ['clients/typescript/src/react/react.ts']
/** Runs the tests, so it takes the test server and its deadlines from their harness. */
const RUNS_TESTS = ['scripts/test.ts', 'scripts/test-file.ts', 'bench/server.ts']
const MAX_LINES = 250
/** Written by a script, from the schemas that it describes: it is as long as these. */
const GENERATED = 'clients/typescript/src/catalogue.ts'

interface Source {
  /** Path from the root of the package. */
  readonly path: string
  readonly text: string
  /** Files of ours that it imports, as such paths; types count, since they tie files together too. */
  readonly imports: readonly string[]
  /** Packages that it imports. */
  readonly packages: readonly string[]
}

const sources = new Map(FLOORS.flatMap(readFloor).map(source => [source.path, source]))

t.test('the sources have been read', async t => {
  t.ok(sources.has('server/main.ts'))
  t.ok(sources.get('src/database/migrate.ts')?.imports.includes('src/process/package-root.ts'))
  t.ok(sources.get('src/database/migrate.ts')?.packages.includes('pg'))
})

t.test('every file of src/ is in a room, and every room has a rank', async t => {
  const homeless = all()
    .filter(({ path }) => floorOf(path) === 'src' && rankOf(path) === -1)
    .map(({ path }) => path)

  t.strictSame(homeless, [])
})

t.test('the table of docs/architecture.md has the rooms in the order of their ranks', async t => {
  const table = readFileSync(join(packageRoot, 'docs/architecture.md'), 'utf8')
  const rooms = [...table.matchAll(/^\| \[`src\/([a-z-]+)\/`\]/gm)].map(([, room]) => room)

  t.strictSame(rooms, ROOMS)
})

t.test('rooms import from lower rooms only', async t => {
  const wrong = edges().filter(
    ([from, to]) => floorOf(from) === 'src' && floorOf(to) === 'src' && rankOf(from) < rankOf(to),
  )

  t.strictSame(wrong.map(show), [])
})

t.test('floors import from lower floors only: plugins and routes never from each other', async t => {
  const wrong = edges().filter(([from, to]) => {
    const [floor, other] = [floorOf(from), floorOf(to)]
    return (
      floor !== other &&
      !BELOW[floor]?.includes(other) &&
      !(other === 'routes' && from === PUTS_TOGETHER) &&
      !(other === 'test' && RUNS_TESTS.includes(from))
    )
  })

  t.strictSame(wrong.map(show), [])
})

t.test('the console takes only types from src/, which is no code for browsers', async t => {
  const values = all()
    .filter(({ path }) => floorOf(path) === 'console')
    .filter(({ text }) => /^(?!import type\b)(?:import|export)\b[^'"]*'(?:\.\.\/){3,}src\//m.test(text))

  t.strictSame(
    values.map(({ path }) => path),
    [],
  )
})

t.test('src/ does not know Fastify', async t => {
  const fastify = all()
    .filter(({ path, packages }) => floorOf(path) === 'src' && packages.some(name => /^@?fastify/.test(name)))
    .map(({ path }) => path)

  t.strictSame(fastify, [])
})

t.test('the engine loads neither Fastify nor authentication', async t => {
  const files = reachableFrom('src/engine/engine.ts')
  const packages = files.flatMap(path => sources.get(path)?.packages ?? [])

  t.ok(files.includes('src/log/log.ts') && packages.includes('pg'))
  t.strictSame(
    [...files, ...packages].filter(name => /^src\/auth\/|fastify/.test(name)),
    [],
  )
})

t.test('imports form no cycle', async t => {
  t.strictSame(
    all().flatMap(({ path }) => cycleThrough(path)),
    [],
  )
})

t.test('a file is named after its content', async t => {
  const wrong = [...FLOORS, 'test']
    .flatMap(filesIn)
    .filter(path =>
      /(^|[/.-])(utils?|helpers?|misc)[/.-]|(^|\/)(commons?|types?|libs?|shared)[/.]/.test(path),
    )

  t.strictSame(wrong, [])
})

t.test('no file only re-exports other files', async t => {
  const barrels = all().filter(({ text }) => {
    const code = text.replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '')
    return code.replace(/export\s[^'"]*?\sfrom\s'[^']+'/g, '').trim() === ''
  })

  t.strictSame(
    barrels.map(({ path }) => path).filter(path => !PACKAGE_ENTRIES.includes(path)),
    [],
  )
})

t.test(`no file has more than ${MAX_LINES} lines`, async t => {
  const long = all().filter(
    ({ path, text }) => path !== GENERATED && text.trimEnd().split('\n').length > MAX_LINES,
  )

  t.strictSame(
    long.map(({ path }) => path),
    [],
  )
})

function all(): Source[] {
  return [...sources.values()]
}

function edges(): [from: string, to: string][] {
  return all().flatMap(({ path, imports }) => imports.map((to): [string, string] => [path, to]))
}

function show([from, to]: [string, string]): string {
  return `${from} → ${to}`
}

function floorOf(path: string): string {
  return path.split('/')[0] ?? ''
}

/** A room's place in the order; -1 for a file of src/ that stands in none. */
function rankOf(path: string): number {
  const [, room = ''] = path.split('/')
  return ROOMS.indexOf(room)
}

/** The file and all that it imports, directly or not. */
function reachableFrom(start: string): string[] {
  const reached = new Set([start])
  for (const path of reached) for (const to of sources.get(path)?.imports ?? []) reached.add(to)
  return [...reached]
}

/** The shortest way from a file back to itself. */
function cycleThrough(start: string): string[] {
  const reached = new Set<string>()
  let ways: string[][] = [[start]]
  while (ways.length > 0) {
    const longer: string[][] = []
    for (const way of ways) {
      for (const to of sources.get(way.at(-1) ?? '')?.imports ?? []) {
        if (to === start) return [[...way, to].join(' → ')]
        if (!reached.has(to)) longer.push([...way, to])
        reached.add(to)
      }
    }
    ways = longer
  }
  return []
}

function readFloor(floor: string): Source[] {
  return filesIn(floor).map(path => {
    const text = readFileSync(join(packageRoot, path), 'utf8')
    const specifiers = [...text.matchAll(/^(?:import|export)\b[^'"]*'([^']+)'|\bimport\('([^']+)'\)/gm)].map(
      match => match[1] ?? match[2] ?? '',
    )
    return {
      path,
      text,
      imports: specifiers.filter(isOurs).map(name => sourceOf(path, name)),
      packages: specifiers.filter(name => !isOurs(name)),
    }
  })
}

function filesIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.tsx?$/.test(name) && !/(^|\/)(dist|node_modules)\//.test(name))
    .map(name => join(folder, name))
}

function isOurs(specifier: string): boolean {
  return specifier.startsWith('.')
}

function sourceOf(importer: string, specifier: string): string {
  return normalize(join(dirname(importer), specifier)).replace(/\.js$/, '.ts')
}

// A deadline that is not made there knows nothing of TEST_PATIENCE, nor of a machine under load.
t.test('tests get their deadlines from test/harness/patience.ts', async t => {
  const ownDeadline =
    /AbortSignal\.timeout\(|performance\.now\(\) \+ \w*(DEADLINE|PATIENCE|TIMEOUT)_MS|\bt\.setTimeout\(/
  const tests = readFloor('test').filter(({ path }) => path !== 'test/house.test.ts')

  t.ok(tests.some(({ path }) => path === 'test/harness/patience.ts'))
  t.strictSame(
    tests.filter(({ text }) => ownDeadline.test(text)).map(({ path }) => path),
    [],
  )
})

// `npm test` prints it beside the file, also when the file passed: a night that found nothing can be repeated too.
t.test('tests of random input say which seed they have', async t => {
  const random = readFloor('test').filter(({ imports }) => imports.includes('test/harness/seed.ts'))

  t.ok(random.some(({ path }) => path === 'test/unit/sse/frame.test.ts'))
  t.strictSame(
    random.filter(({ text }) => !text.includes('SLUICE_SEED=${')).map(({ path }) => path),
    [],
  )
})

// What a turn of setInterval throws ends the process; turns of PeriodicLoop do not.
t.test('the product repeats work with PeriodicLoop, never with setInterval', async t => {
  const bare = all().filter(
    ({ path, text }) =>
      !['bench', 'console', 'clients'].includes(floorOf(path)) && /\bsetInterval\(/.test(text),
  )

  t.strictSame(
    bare.map(({ path }) => path),
    [],
  )
})
