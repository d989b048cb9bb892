/** `sluice watch-table`: turns the changes of a table into events, by sluice.watch. */
import pg from 'pg'
import { SqlState, sqlState } from '../../../src/problems/problem.js'
import { UsageError } from '../../../src/process/usage.js'
import { runOnDatabase } from '../database-command.js'
import { command } from '../declaration.js'
import { flag, oneOf, type Parse, text, value } from '../option.js'
import { table } from '../table.js'

const APPLICATION = 'sluice watch-table'
const columns: Parse<readonly string[]> = (given, name) => {
  const names = given.split(',').map(column => column.trim())
  if (names.every(column => column !== '')) return names
  throw new UsageError(`${name} must be names of columns, separated by commas.`)
}

export const watchTableCommand = command({
  description: `Publishes an event for each insert, update and delete of a table, whichever program writes to it, in the same transaction.
TABLE is a table with its schema, such as public.doors, written as in SQL. A second call replaces the first.`,
  args: [{ name: 'TABLE', help: 'the table with its schema', isOptional: true }],
  options: {
    workspace: value('--workspace NAME', 'the workspace of all rows', { parse: text }),
    workspaceColumn: value('--workspace-column NAME', "the column that holds each row's workspace", {
      parse: text,
    }),
    stream: value('--stream NAME', 'the stream of all rows (feed), or an SQL expression of the row new', {
      parse: text,
    }),
    streamColumn: value('--stream-column NAME', "the column that holds each row's stream", { parse: text }),
    name: value('--name TEXT', "the first part of the types: door.created, … (the table's name)", {
      parse: text,
    }),
    columns: value('--columns LIST', 'the columns that events contain: id,state (all)', { parse: columns }),
    old: value(
      '--old WHICH',
      'the previous values in the event of an update: none (default), changed or all',
      {
        parse: oneOf(['none', 'changed', 'all']),
      },
    ),
    condition: value(
      '--condition SQL',
      'publish only changes for which this expression of new and old is true',
      { parse: text },
    ),
    always: flag('--always', 'publish also what logical replication applies'),
    unwatch: flag('--unwatch', 'publish no further events of the table'),
    list: flag('--list', 'list the watched tables'),
    dryRun: flag('--dry-run', 'print the SQL and run nothing'),
  },
  examples: [
    'sluice watch-table public.doors --name door --workspace demo',
    'sluice watch-table public.notes --workspace-column tenant --columns id,title --old changed',
    'sluice watch-table --list',
    'sluice watch-table public.doors --unwatch',
  ],
  notes: `It runs on the database of DATABASE_URL, or on the embedded Postgres of the gateway that runs on DATA_DIR, as a role that owns both
the table and the schema sluice, or was granted EXECUTE. docs/publishing-from-sql.md describes everything in detail.`,
  exitCodes: '0 done, 1 failed, 2 wrong usage',
  async run({ options, args: [target], env, terminal }) {
    const { list, unwatch, dryRun } = options
    const sql = list
      ? LIST
      : unwatch
        ? `select sluice.unwatch(${literal(tableOf(target))})`
        : watchSql(tableOf(target), options)
    if (list && (target !== undefined || unwatch))
      throw new UsageError('--list takes no table and no --unwatch.')
    if (dryRun) {
      await terminal.out.write(`${sql};\n`)
      return undefined
    }
    return await runOnDatabase(APPLICATION, env, async database => {
      const { rows } = await database.query<Record<string, unknown>>(sql).catch(error => {
        if (list || sqlState(error) !== SqlState.undefinedTable) throw error
        throw new Error(
          `${error.message}. Write the name as in SQL, with its schema and, where needed, its quotes.`,
        )
      })
      if (list) await terminal.out.write(listOf(rows))
      else if (!unwatch) await terminal.err.line(`${target} is watched.`)
      else
        await terminal.err.line(
          rows[0]?.unwatch ? `${target} is no longer watched.` : `${target} was not watched.`,
        )
      return true
    })
  },
})

const LIST = 'select * from sluice.watches'

type WatchOptions = Readonly<
  Partial<
    Record<
      'workspace' | 'workspaceColumn' | 'stream' | 'streamColumn' | 'name' | 'old' | 'condition',
      string | undefined
    >
  >
> & { readonly columns?: readonly string[] | undefined; readonly always: boolean }

function tableOf(target: string | undefined): string {
  if (target === undefined)
    throw new UsageError('TABLE is missing: the table with its schema, such as public.doors.')
  if (target.includes('.')) return target
  throw new UsageError('TABLE must have its schema, such as public.doors.')
}

function watchSql(target: string, options: WatchOptions): string {
  const { workspace, workspaceColumn, stream, streamColumn, name, columns, old, condition, always } = options
  if ((workspace === undefined) === (workspaceColumn === undefined)) {
    throw new UsageError('Give one of --workspace and --workspace-column.')
  }
  if (stream !== undefined && streamColumn !== undefined)
    throw new UsageError('Give one of --stream and --stream-column.')
  const texts = {
    name,
    workspace,
    workspace_column: workspaceColumn,
    stream,
    stream_column: streamColumn,
    old,
    condition,
  }
  const given = Object.entries(texts).flatMap(([argument, given]) =>
    given === undefined ? [] : [`${argument} => ${literal(given)}`],
  )
  if (columns) given.push(`columns => array[${columns.map(literal).join(', ')}]`)
  if (always) given.push('always => true')
  return `select sluice.watch(${[literal(target), ...given].join(', ')})`
}

function literal(given: string): string {
  return pg.escapeLiteral(given)
}

function listOf(rows: readonly Record<string, unknown>[]): string {
  const [first] = rows
  if (first === undefined) return 'No table is watched.\n'
  const shown = Object.keys(first).filter(column =>
    rows.some(row => ![null, false, ''].some(empty => row[column] === empty)),
  )
  return table(
    shown.map(column => column.toUpperCase()),
    rows.map(row => shown.map(column => shownOf(row[column]))),
  )
}

function shownOf(cell: unknown): string {
  if (cell === null || cell === undefined) return '-'
  return Array.isArray(cell) ? cell.join(',') : String(cell)
}
