/**
 * `npm run sql -- "select …"`: runs SQL on DATABASE_URL or, without it, on the running embedded Postgres, and prints
 * the result as a table. Exit codes: 1 the SQL failed, 2 wrong usage or no database.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import pg from 'pg'
import { readConfig } from '../src/config/config.js'
import { packageRoot } from '../src/process/package-root.js'

const USAGE = `Usage: npm run sql -- "select type, data from sluice.events order by at desc limit 5"

Runs SQL on DATABASE_URL or, without it, on the embedded Postgres of a running "npm start" (DATA_DIR).`

/** No statement starts with such a word, but `-- a comment` may. */
const OPTION = /^--?[a-z][\w-]*(=.*)?$/i

const [sql, ...rest] = process.argv.slice(2)
if (sql === '--help' || sql === '-h') {
  console.log(USAGE)
} else if (sql !== undefined && OPTION.test(sql)) {
  refuse(`Unknown option ${JSON.stringify(sql)}\n\n${USAGE}`)
} else if (sql === undefined || sql.trim() === '' || rest.length > 0) {
  refuse(`${rest.length > 0 ? 'Put the whole statement into one pair of quotes.\n\n' : ''}${USAGE}`)
} else {
  const client = await connect()
  if (client) await show(client, sql)
}

async function connect(): Promise<pg.Client | undefined> {
  const url = process.env.DATABASE_URL || embeddedUrl()
  if (url === undefined) {
    refuse(
      'No database: DATABASE_URL is not set, and no embedded Postgres is running. Run "npm start" first.',
    )
    return undefined
  }
  const client = new pg.Client({
    connectionString: url,
    application_name: 'sluice sql',
    connectionTimeoutMillis: 5_000,
    // Shown as the server writes it: no Date, no number that has lost digits.
    types: { getTypeParser: () => (text: string) => text },
  })
  try {
    await client.connect()
    return client
  } catch (error) {
    refuse(`The database does not answer: ${messageOf(error)}. Is it running?`)
    return undefined
  }
}

/** Written by the running server; after a kill it may exist without one. */
function embeddedUrl(): string | undefined {
  try {
    const { DATA_DIR } = readConfig({ DATA_DIR: process.env.DATA_DIR })
    return readFileSync(resolve(packageRoot, DATA_DIR, 'url'), 'utf8').trim()
  } catch {
    return undefined
  }
}

async function show(client: pg.Client, statements: string): Promise<void> {
  client.on('notice', notice => console.error(`${notice.severity}: ${notice.message}`))
  try {
    const results = await client.query<string[]>({ text: statements, rowMode: 'array' })
    // Several statements in one text return an array, which the types do not say.
    for (const result of [results].flat()) print(result)
  } catch (error) {
    console.error(`ERROR: ${messageOf(error)}`)
    if (error instanceof pg.DatabaseError) {
      if (error.detail) console.error(`DETAIL: ${error.detail}`)
      if (error.hint) console.error(`HINT: ${error.hint}`)
    }
    process.exitCode = 1
  } finally {
    await client.end()
  }
}

function print({ command, fields, rows, rowCount }: pg.QueryResult<(string | null)[]>): void {
  if (fields.length === 0) {
    console.log(rowCount === null ? command : `${command} ${rowCount}`)
    return
  }
  const head = fields.map(field => field.name)
  const table = [head, ...rows.map(row => row.map(visible))]
  const widths = head.map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)))
  const [first, ...others] = table.map(row =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join(' | ')
      .trimEnd(),
  )
  console.log(first)
  console.log(widths.map(width => '-'.repeat(width)).join('-+-'))
  for (const line of others) console.log(line)
  console.log(`(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`)
}

/** One line per row, and no control character of the data reaches the terminal. */
function visible(value: string | null): string {
  return value === null
    ? 'null'
    : value.replace(/\p{Cc}/gu, character => JSON.stringify(character).slice(1, -1))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}

function refuse(text: string): void {
  console.error(text)
  process.exitCode = 2
}
