/** What a write to a watched table costs beside the same write to one that is not watched, by rows of a statement. */
import { readFile } from 'node:fs/promises'
import type pg from 'pg'
import type { Row, Size } from './row.js'
import { withClient } from './seed.js'
import { now, percentile, round, sorted } from './statistics.js'
import { startSubject } from './subject.js'

const WORKSPACE = 'bench'
const ROUNDS = 3
/** One statement of one row is too short to measure. */
const FEWEST_ROWS = 200
/** The tables, whose streams have their names. They take turns. */
const TABLES = ['unwatched', 'before', 'statement', 'row'] as const
type Table = (typeof TABLES)[number]

const STATEMENTS = {
  insert: `insert into %t select n, 'open', 'note ' || n, n * 1.5 from generate_series($1::int, $2::int) n`,
  update: `update %t set state = 'done' where id between $1 and $2`,
  delete: 'delete from %t where id between $1 and $2',
} as const
type Kind = keyof typeof STATEMENTS

interface Cost {
  readonly cpu: number
  readonly wall: number
}

/**
 * `before` has the triggers that a watch had before it published by statement, which the schema still contains: tables that
 * were watched then keep them. `row` is the way that partitions, expressions and logical replication take.
 */
const SETUP = TABLES.map(
  table => `create table ${table} (id int primary key, state text, note text, amount numeric);
    alter table ${table} set (autovacuum_enabled = off)`,
).concat(`
  create trigger sluice_watch_1_describe after insert or update or delete on before
    for each row execute function sluice.describe_change('before', '${WORKSPACE}', '');
  create trigger sluice_watch_2_publish after insert or update or delete on before
    for each row execute function sluice.publish_change('before');
  select sluice.watch('statement', workspace => '${WORKSPACE}', stream => 'statement');
  select sluice.watch('row', workspace => '${WORKSPACE}', stream => 'row', always => true)`)

export async function watched(size: Size): Promise<Row[]> {
  const subject = await startSubject()
  try {
    return await withClient(subject.databaseUrl, async client => {
      await client.query(`set search_path = public; ${SETUP.join(';')}`)
      const rows: Row[] = []
      for (const count of [1, 100, 10_000, 100_000]) {
        // The old triggers need 20 s for 100,000 rows.
        const tables =
          size === 'default' && count === 100_000
            ? TABLES.filter(table => table === 'unwatched' || table === 'statement')
            : TABLES
        rows.push(...(await measure(client, count, tables)))
      }
      return rows
    })
  } finally {
    await subject.close()
  }
}

async function measure(client: pg.Client, count: number, tables: readonly Table[]): Promise<Row[]> {
  const costs = new Map<string, Cost[]>()
  // The first round warms up.
  const rounds = ROUNDS + 1
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const table of tables) {
      for (const kind of ['insert', 'update', 'delete'] as const) {
        const cost = await costOf(client, STATEMENTS[kind].replace('%t', table), count)
        if (turn > 0) costs.set(`${kind} ${table}`, [...(costs.get(`${kind} ${table}`) ?? []), cost])
      }
    }
  }
  for (const table of tables) if (table !== 'unwatched') await check(client, table, count, rounds)
  return (['insert', 'update', 'delete'] as const).map(kind => rowOf(kind, count, tables, costs))
}

/** Microseconds of one row: CPU of the backend, and time, with COMMIT. */
async function costOf(client: pg.Client, statement: string, count: number): Promise<Cost> {
  const { rows } = await client.query('select pg_backend_pid() as pid')
  const statements = Math.max(1, Math.min(FEWEST_ROWS, FEWEST_ROWS / count))
  const [cpu, start] = [await cpuOf(rows[0].pid), now()]
  for (let n = 0; n < statements; n += 1) await client.query(statement, [n * count + 1, (n + 1) * count])
  const total = { cpu: (await cpuOf(rows[0].pid)) - cpu, wall: now() - start }
  const rowsWritten = statements * count
  return { cpu: total.cpu / rowsWritten / 1_000, wall: total.wall / rowsWritten / 1_000 }
}

/** Nanoseconds on a processor. Linux only. */
async function cpuOf(pid: number): Promise<number> {
  return Number.parseInt(await readFile(`/proc/${pid}/schedstat`, 'latin1'), 10)
}

/** Every row has its event of each kind, and those of inserts are in the order of their rows. Removes them. */
async function check(client: pg.Client, table: Table, count: number, rounds: number): Promise<void> {
  const ids = Math.max(count, FEWEST_ROWS)
  const { rows } = await client.query(
    `select count(*)::int as events, count(distinct (type, id))::int as different,
            count(*) filter (where type like '%created' and step not in (1, 1 - $3::int))::int as misplaced
       from (select e.type, e.data ->> 'id' as id, (e.data ->> 'id')::int
                    - lag((e.data ->> 'id')::int, 1, $3::int) over (partition by e.type order by e."position") as step
               from sluice.events e join sluice.streams s on s.id = e.stream_id
              where s.workspace = $1 and s.name = $2) steps`,
    [WORKSPACE, table, ids],
  )
  const [{ events, different, misplaced }] = rows
  if (events !== ids * 3 * rounds || different !== ids * 3 || misplaced !== 0) {
    throw new Error(
      `${table}, ${count} rows a statement: ${events} events, ${different} different ones, ${misplaced} not in order.`,
    )
  }
  await client.query(
    'delete from sluice.events e using sluice.streams s where s.id = e.stream_id and s.name = $1',
    [table],
  )
  await client.query('vacuum sluice.events')
}

function rowOf(
  kind: Kind,
  count: number,
  tables: readonly Table[],
  costs: ReadonlyMap<string, readonly Cost[]>,
): Row {
  const median = (table: Table, of: keyof Cost) =>
    tables.includes(table)
      ? round(percentile(sorted((costs.get(`${kind} ${table}`) ?? []).map(cost => cost[of])), 50))
      : Number.NaN
  const ratio = (table: Table) => round(median(table, 'cpu') / median('unwatched', 'cpu'))
  return {
    'rows a statement': count,
    kind,
    'unwatched CPU µs/row': median('unwatched', 'cpu'),
    'before CPU': median('before', 'cpu'),
    'now CPU': median('statement', 'cpu'),
    'by row CPU': median('row', 'cpu'),
    'before ×': ratio('before'),
    'now ×': ratio('statement'),
    'by row ×': ratio('row'),
    'unwatched µs/row': median('unwatched', 'wall'),
    'now µs/row': median('statement', 'wall'),
  }
}
