/** The cost of a write to a watched table beside the same write to one that is not watched, by rows of a statement. */
import { readFileSync } from 'node:fs'
import pg from 'pg'
import type { Row, Size } from './row.js'
import { withClient } from './seed.js'
import { now, percentile, round, sorted } from './statistics.js'
import { startSubject } from './subject.js'

const WORKSPACE = 'bench'
const ROUNDS = 3
/** Rows of a statement, and statements of one sample: a single short one cannot be measured. */
const SIZES = [
  { count: 1, statements: 200 },
  { count: 100, statements: 20 },
  { count: 10_000, statements: 1 },
  { count: 100_000, statements: 1 },
]
/** The triggers by row need more than five seconds for this statement, so only a full bench measures them. */
const TOO_LONG = 100_000
const SAMPLE_MS = 10

/** The tables, whose streams have their names. */
const TABLES = ['unwatched', 'before', 'row', 'statement', 'condition'] as const
type Table = (typeof TABLES)[number]
const KINDS = ['insert', 'update', 'delete'] as const
type Kind = (typeof KINDS)[number]

const STATEMENTS = {
  insert: `insert into %t select n, 'open', 'note ' || n, n * 1.5 from generate_series($1::int, $2::int) n`,
  update: `update %t set state = 'done' where id between $1 and $2`,
  delete: 'delete from %t where id between $1 and $2',
} as const satisfies Record<Kind, string>

/**
 * `before` has the triggers that a watch had before it published by statement, which the schema still contains: tables that
 * were watched then keep them. `row` is the way that partitions and logical replication take. `condition` is by statement, too.
 */
const SETUP = TABLES.map(
  table => `create table ${table} (id int primary key, state text, note text, amount numeric);
    alter table ${table} set (autovacuum_enabled = off)`,
).concat(`
  create trigger sluice_watch_1_describe after insert or update or delete on before
    for each row execute function sluice.describe_change('before', '${WORKSPACE}', '');
  create trigger sluice_watch_2_publish after insert or update or delete on before
    for each row execute function sluice.publish_change('before');
  select sluice.watch('row', workspace => '${WORKSPACE}', stream => 'row', always => true);
  select sluice.watch('statement', workspace => '${WORKSPACE}', stream => 'statement');
  select sluice.watch('condition', workspace => '${WORKSPACE}', stream => 'condition', condition => 'new.id > 0 or old.id > 0')`)

interface Cost {
  /** Microseconds of a row. */
  readonly cpu: number
  readonly wall: number
  /** Megabytes of the backend's own memory while it wrote, at most. */
  readonly memory: number
}

interface Writer {
  readonly client: pg.Client
  readonly pid: number
}

export async function watched(size: Size): Promise<Row[]> {
  const subject = await startSubject()
  const writers = new Map<Table, Writer>()
  try {
    await withClient(subject.databaseUrl, client => client.query(SETUP.join(';')))
    for (const table of TABLES) writers.set(table, await writerOn(subject.databaseUrl))
    const rows: Row[] = []
    for (const { count, statements } of SIZES) {
      const measured = TABLES.filter(
        table => size === 'full' || count < TOO_LONG || !['before', 'row'].includes(table),
      )
      rows.push(...(await measure(writers, measured, count, statements)))
      await withClient(subject.databaseUrl, client => check(client, measured, count, statements))
    }
    return rows
  } finally {
    for (const { client } of writers.values()) await client.end()
    await subject.close()
  }
}

async function writerOn(databaseUrl: string): Promise<Writer> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query('select pg_backend_pid() as pid')
  return { client, pid: rows[0].pid }
}

/** The tables take turns. The first round of the first size warms up each connection. */
async function measure(
  writers: ReadonlyMap<Table, Writer>,
  tables: readonly Table[],
  count: number,
  statements: number,
): Promise<Row[]> {
  const costs = new Map<string, Cost[]>()
  for (let turn = 0; turn < roundsOf(count); turn += 1) {
    for (const table of tables) {
      const writer = writers.get(table)
      if (!writer) continue
      for (const kind of KINDS) {
        const cost = await costOf(writer, STATEMENTS[kind].replace('%t', table), count, statements)
        const before = costs.get(`${kind} ${table}`) ?? []
        costs.set(`${kind} ${table}`, [...before, cost].slice(-ROUNDS))
      }
    }
  }
  const median = (kind: Kind, table: Table, of: keyof Cost) =>
    percentile(sorted((costs.get(`${kind} ${table}`) ?? []).map(cost => cost[of])), 50)
  return KINDS.flatMap(kind =>
    tables.map(table => ({
      'rows a statement': count,
      kind,
      table,
      'CPU µs/row': round(median(kind, table, 'cpu')),
      'CPU ×': round(median(kind, table, 'cpu') / median(kind, 'unwatched', 'cpu')),
      'µs/row': round(median(kind, table, 'wall')),
      '×': round(median(kind, table, 'wall') / median(kind, 'unwatched', 'wall')),
      MB: round(median(kind, table, 'memory')),
    })),
  )
}

function roundsOf(count: number): number {
  return count === 1 ? ROUNDS + 1 : ROUNDS
}

/** Each statement is a transaction of its own, and its COMMIT counts. */
async function costOf(
  { client, pid }: Writer,
  statement: string,
  count: number,
  statements: number,
): Promise<Cost> {
  let memory = 0
  const sample = () => {
    memory = Math.max(memory, memoryOf(pid))
  }
  const timer = setInterval(sample, SAMPLE_MS)
  const [cpu, start] = [cpuOf(pid), now()]
  try {
    for (let n = 0; n < statements; n += 1) await client.query(statement, [n * count + 1, (n + 1) * count])
  } finally {
    clearInterval(timer)
  }
  const [wall, rows] = [now() - start, statements * count]
  const spent = cpuOf(pid) - cpu
  sample()
  return { cpu: spent / rows / 1_000, wall: wall / rows / 1_000, memory }
}

/** Nanoseconds on a processor. Linux only. */
function cpuOf(pid: number): number {
  return Number.parseInt(readFileSync(`/proc/${pid}/schedstat`, 'latin1'), 10)
}

/** Megabytes of resident memory that the process shares with no other. Linux only. */
function memoryOf(pid: number): number {
  const kilobytes = /^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  return Number(kilobytes) / 1_024
}

/** Each row has one event of each kind and round, and inserted rows have theirs in order. Then removes the events. */
async function check(
  client: pg.Client,
  tables: readonly Table[],
  count: number,
  statements: number,
): Promise<void> {
  const ids = count * statements
  for (const table of tables.filter(name => name !== 'unwatched')) {
    const { rows } = await client.query(
      `select count(*)::int as events, count(distinct (type, id))::int as different,
              count(*) filter (where type like '%created' and step not in (1, 1 - $3::int))::int as misplaced
         from (select e.type, (e.data ->> 'id')::int as id, (e.data ->> 'id')::int
                      - lag((e.data ->> 'id')::int, 1, $3::int) over (partition by e.type order by e."position") as step
                 from sluice.events e join sluice.streams s on s.id = e.stream_id
                where s.workspace = $1 and s.name = $2) steps`,
      [WORKSPACE, table, ids],
    )
    const [{ events, different, misplaced }] = rows
    if (
      events !== ids * KINDS.length * roundsOf(count) ||
      different !== ids * KINDS.length ||
      misplaced !== 0
    )
      throw new Error(
        `${table}, ${count} rows a statement: ${events} events, ${different} different ones, ${misplaced} not in order.`,
      )
  }
  if (count === SIZES.at(-1)?.count) return
  await client.query(
    'delete from sluice.events e using sluice.streams s where s.id = e.stream_id and s.workspace = $1',
    [WORKSPACE],
  )
  await client.query(`vacuum analyze sluice.events, ${TABLES.join(', ')}`)
}
