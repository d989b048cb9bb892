/** `npm run bench -- [name] [--full] [--streams N] [--rate N]`: measures on this machine, prints tables, writes bench/results/<name>.json. */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/process/package-root.js'
import { usageError } from '../src/process/usage.js'
import { access, foreign } from './access.js'
import { cluster } from './cluster.js'
import { durableStreams } from './durable-streams.js'
import { fairness } from './fairness.js'
import { fanOut } from './fan-out.js'
import { growth } from './growth.js'
import { idle } from './idle.js'
import { latency } from './latency.js'
import { layouts } from './layouts.js'
import { memory } from './memory.js'
import { peers } from './peers.js'
import { publish } from './publish.js'
import { recovery } from './recovery.js'
import { replay } from './replay.js'
import { rolling } from './rolling.js'
import type { Row, Size } from './row.js'
import { simulate } from './simulate.js'
import { slow } from './slow.js'
import { startUp } from './start.js'
import { streams } from './streams.js'
import { type TokensOptions, tokens } from './tokens.js'
import { watched } from './watched.js'
import { webhooks } from './webhooks.js'

const BENCHES: Readonly<Record<string, (size: Size, given: TokensOptions) => Promise<Row[]>>> = {
  latency,
  'fan-out': fanOut,
  publish,
  replay,
  rolling,
  idle,
  slow,
  memory,
  fairness,
  growth,
  layouts,
  access,
  foreign,
  start: startUp,
  streams,
  watched,
  webhooks,
  recovery,
  cluster,
  simulate,
  peers,
  tokens,
  'durable-streams': durableStreams,
}
/** Measured only by name, because they take many minutes or need other servers. */
const BY_NAME = new Set(['recovery', 'cluster', 'layouts', 'simulate', 'peers', 'tokens', 'durable-streams'])

const USAGE = `Usage: npm run bench -- [name] [--full]      names: ${Object.keys(BENCHES).join(', ')}; default: all but ${[...BY_NAME].join(', ')}

  --full         takes longer: more clients, more events, more cases
  --streams N    tokens only: streams at a time; default: as many as both systems carry
  --rate N       tokens only: tokens a second of each stream; default: 50
  --help, -h     show this

bench/README.md says what is measured and how to read it.
`

async function main(): Promise<void> {
  const { names, size, given } = options()
  for (const name of names) {
    console.log(`\n${name}`)
    const rows = (await BENCHES[name]?.(size, given)) ?? []
    console.table(rows)
    await save(name, size, rows)
  }
}

interface Options {
  readonly names: readonly string[]
  readonly size: Size
  readonly given: TokensOptions
}

function options(): Options {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        full: { type: 'boolean', default: false },
        streams: { type: 'string' },
        rate: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) leave(0, USAGE)
    const [name, ...more] = positionals
    if (name !== undefined && !Object.hasOwn(BENCHES, name))
      leave(2, `There is no bench ${JSON.stringify(name)}.\n\n${USAGE}`)
    if (more.length > 0) leave(2, `There is one word too many.\n\n${USAGE}`)
    if (name !== 'tokens' && (values.streams ?? values.rate) !== undefined)
      leave(2, `--streams and --rate are options of the bench tokens.\n\n${USAGE}`)
    return {
      names: name === undefined ? Object.keys(BENCHES).filter(known => !BY_NAME.has(known)) : [name],
      size: values.full ? 'full' : 'default',
      given: { streams: numberOf('streams', values.streams), rate: numberOf('rate', values.rate) },
    }
  } catch (error) {
    leave(2, `${usageError(error).message}\n\n${USAGE}`)
  }
}

function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d{0,5}$/.test(text)) return text === undefined ? undefined : Number(text)
  leave(2, `--${option} takes a whole number above 0.\n\n${USAGE}`)
}

function leave(code: 0 | 2, text: string): never {
  ;(code === 0 ? process.stdout : process.stderr).write(text)
  process.exit(code)
}

async function save(name: string, size: Size, rows: readonly Row[]): Promise<void> {
  const folder = join(packageRoot, 'bench', 'results')
  const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model, memory: totalmem() }
  await mkdir(folder, { recursive: true })
  const result = { name, size, at: new Date().toISOString(), machine, rows }
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
}

main().catch(error => {
  // Leaving ends what was started too (bench/child.ts).
  console.error(error)
  process.exit(1)
})
