/**
 * The cost of each layout of the table of events: size, appends, reads, retention of a day, VACUUM. One server has a database
 * for each layout, with the same events, and the layouts take turns.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '../src/database/migrate.js'
import { startEmbedded } from '../src/embedded-postgres/embedded-postgres.js'
import { Backend } from './backend.js'
import { FIGURES, type Figures, type LayoutSubject, type SeededLog } from './layout-figures.js'
import { DAYS, type LogLayout, layoutsOfLog } from './log-layout.js'
import type { Row, Size } from './row.js'
import { withClient } from './seed.js'
import { PADDING } from './server.js'
import { percentile, round, sorted } from './statistics.js'

/** Few streams with many events each, and many with few. One retention removes `days` of the thirty. */
const LOGS: Readonly<Record<Size, readonly SeededLog[]>> = {
  default: [
    { streams: 1_000, each: 1_000, days: 4, rounds: 3 },
    { streams: 100_000, each: 10, days: 2, rounds: 1 },
  ],
  full: [
    { streams: 1_000, each: 10_000, days: 4, rounds: 3 },
    { streams: 1_000_000, each: 10, days: 1, rounds: 1 },
  ],
}
const SETTINGS = { shared_buffers: '1GB', max_wal_size: '4GB', checkpoint_timeout: '1h', autovacuum: 'off' }
const SEEDED_TOGETHER = 500_000

export async function layouts(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const log of LOGS[size].filter(isChosen)) rows.push(...(await measure(log)))
  return rows
}

async function measure(log: SeededLog): Promise<Row[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  // The account of Postgres has to enter it; otherwise the data would be elsewhere, behind a link, and stay there.
  await chmod(dataDir, 0o755)
  const database = await startEmbedded({ dataDir, settings: SETTINGS })
  const subjects: LayoutSubject[] = []
  const found = new Map<LayoutSubject, Figures[]>()
  try {
    await withClient(database.url, client => client.query('create database empty_log'))
    await migrate(withName(database.url, 'empty_log'))
    for (const [n, layout] of chosen().entries()) {
      await withClient(database.url, client => client.query(`create database layout_${n} template empty_log`))
      const { subject, figures } = await fill(layout, withName(database.url, `layout_${n}`), log)
      subjects.push(subject)
      found.set(subject, [figures])
    }
    for (const figure of FIGURES) {
      for (const [subject, figures] of await byTurns(subjects, log.rounds, each => figure(each, log))) {
        found.get(subject)?.push(figures)
        console.error(`${subject.layout.name}:`, figures)
      }
    }
    return rowsOf(log, subjects, found)
  } finally {
    for (const { backend } of subjects) await backend.close()
    await database.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** A row for each figure, a column for each layout. */
function rowsOf(
  { streams, each }: SeededLog,
  subjects: readonly LayoutSubject[],
  found: ReadonlyMap<LayoutSubject, readonly Figures[]>,
): Row[] {
  const columns = subjects.map(subject => {
    const figures: Figures = Object.assign({}, ...(found.get(subject) ?? []))
    return { name: subject.layout.name, figures }
  })
  const names = [...new Set(columns.flatMap(({ figures }) => Object.keys(figures)))]
  return names.map(figure => ({
    log: `${streams} × ${each}`,
    figure,
    ...Object.fromEntries(columns.map(({ name, figures }) => [name, figures[figure] ?? ''])),
  }))
}

/** `BENCH_LAYOUTS=0,2` measures the first and the third layout, `BENCH_LOGS=1` the second log. */
function isChosen(_: unknown, n: number): boolean {
  return process.env.BENCH_LOGS?.split(',').includes(String(n)) ?? true
}

function chosen(): readonly LogLayout[] {
  const wanted = process.env.BENCH_LAYOUTS?.split(',').map(Number)
  return layoutsOfLog().filter((_, n) => wanted?.includes(n) ?? true)
}

function withName(url: string, name: string): string {
  // The address names a socket, so it has no host, and URL does not parse it.
  return url.replace('/postgres?', `/${name}?`)
}

/** The median of each figure. */
async function byTurns(
  subjects: readonly LayoutSubject[],
  rounds: number,
  work: (subject: LayoutSubject) => Promise<Figures>,
): Promise<Map<LayoutSubject, Figures>> {
  const turns = new Map(subjects.map(subject => [subject, Array.of<Figures>()]))
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const [subject, figures] of turns) figures.push(await work(subject))
  }
  return new Map(
    [...turns].map(([subject, figures]) => {
      const median = (name: string) =>
        round(percentile(sorted(figures.map(each => each[name] ?? Number.NaN)), 50))
      return [subject, Object.fromEntries(Object.keys(figures[0] ?? {}).map(name => [name, median(name)]))]
    }),
  )
}

/** Events in the order of their time, so those of one stream are far apart in the table. */
async function fill(layout: LogLayout, url: string, { streams, each }: SeededLog) {
  const backend = await Backend.connect(url)
  const { client } = backend
  const start = new Date(Date.now() - DAYS * 86_400_000)
  const events = streams * each
  await layout.arrange(client, start)
  await client.query(`insert into sluice.streams (workspace, name, oldest_at, used_at)
    select 'demo', 'stream-' || n, '${start.toISOString()}'::timestamptz + (n - 1) * interval '${DAYS} days' / ${events}, now()
      from generate_series(1, ${streams}) n`)
  const cost = await backend.cost(async () => {
    for (let first = 0; first < events; first += SEEDED_TOGETHER) {
      await client.query(
        `insert into sluice.events (stream_id, "position", at, event_id, type, data, way)
         select 1 + g % ${streams}, 1 + g / ${streams}, $1::timestamptz + g * interval '${DAYS} days' / ${events},
                gen_random_uuid(), 'tick', format('{"n":%s,"padding":"${PADDING}"}', g)::json, 'http'
           from generate_series(${first}, ${Math.min(first + SEEDED_TOGETHER, events) - 1}) g`,
        [start],
      )
    }
  })
  for (const table of layout.vacuums) await client.query(`vacuum (analyze) ${table}`)
  await client.query('analyze sluice.events, sluice.streams')
  const subject: LayoutSubject = { layout, url, backend, start, retainedDays: 0 }
  return { subject, figures: { events, 'seed CPU µs/event': round((cost.cpuMs * 1e3) / events) } }
}
