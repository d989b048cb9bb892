/** `npm run bench [name]`: measures on this machine, prints tables, writes bench/results/<name>.json. */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/package-root.js'
import { access, foreign } from './access.js'
import { fanOut } from './fan-out.js'
import { latency } from './latency.js'
import { publish } from './publish.js'

const BENCHES = { latency, 'fan-out': fanOut, publish, access, foreign } as const

const USAGE = `Usage: npm run bench -- [name]      names: ${Object.keys(BENCHES).join(', ')}; default: all

bench/README.md says what is measured and how to read it.
`

/** One measured row; all rows of a bench have the same columns. */
export type Row = Readonly<Record<string, string | number>>

async function main(): Promise<void> {
  const [name, ...more] = process.argv.slice(2)
  if (name === '--help') return void process.stdout.write(USAGE)
  const names = (Object.keys(BENCHES) as (keyof typeof BENCHES)[]).filter(bench => !name || bench === name)
  if (names.length === 0 || more.length > 0) {
    process.stderr.write(USAGE)
    process.exitCode = 2
    return
  }
  for (const bench of names) {
    console.log(`\n${bench}`)
    const rows = await BENCHES[bench]()
    console.table(rows)
    await save(bench, rows)
  }
}

async function save(name: string, rows: readonly Row[]): Promise<void> {
  const folder = join(packageRoot, 'bench', 'results')
  const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model }
  await mkdir(folder, { recursive: true })
  const result = { name, at: new Date().toISOString(), machine, rows }
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
}

await main()
