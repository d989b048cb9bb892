/** `npm run contract`: plays the cases against one client, many at the same time, and writes a line for each and a summary. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../../src/process/package-root.js'
import { usageError } from '../../src/process/usage.js'
import type { Case } from './case.js'
import { readCases } from './case-files.js'
import type { Result } from './play.js'
import { byCase, playSuite } from './suite.js'

const USAGE = `Usage: npm run contract -- [options] -- PROGRAM [ARGUMENT …]

Starts PROGRAM, the adapter of a client, and plays the cases of conformance/contract/cases/ against it. Writes a line for each case
and a summary. The status is 0 if the client behaves as every case says, 1 if it does not, and 2 if nothing could be played.

  --only PATTERN    only the cases whose ids match this regular expression
  --jobs N          play N cases at the same time (16)
  --patience N      wait N times as long before a case fails, for a slow machine (1)
  --list            write the ids of the cases and what they are about, and play none
  --faults          write only the cases that fail, and the summary
  --help            show this

Example: npm run contract -- --only '^fields' -- node conformance/contract/adapters/eventsource.mjs`

const RULES = { standard: 'standard', sluice: 'beyond it' } as const
/** The others usually have the same fault. */
const SHOWN_VARIANTS = 3

const { values, positionals } = readArguments()
const cases = readCases(join(packageRoot, 'conformance/contract/cases')).filter(({ id }) =>
  new RegExp(values.only).test(id),
)
if (values.list) for (const { id, about } of cases) console.log(`${id}: ${about}`)
else process.exitCode = await run(cases, positionals)

async function run(cases: readonly Case[], [program, ...rest]: readonly string[]): Promise<number> {
  if (program === undefined) return refuse('Name the adapter after --.')
  const patience = Number(values.patience)
  const options = { jobs: Number(values.jobs), patience: () => patience }
  const played = await playSuite(cases, [program, ...rest], options).catch((error: Error) => error)
  if (played instanceof Error) return refuse(played.message)
  const { name, without, results, leftOut, deaths } = played
  for (const line of lines(results, values.faults)) console.log(line)
  for (const rule of ['standard', 'sluice'] as const) {
    const of = results.filter(result => result.rule === rule)
    const left = leftOut.filter(each => each.rule === rule).length
    console.log(
      `${name}, ${RULES[rule]}: ${of.filter(isRight).length} of ${of.length} cases hold, ${left} left out`,
    )
  }
  if (leftOut.length > 0) console.log(`Left out, because the client is without: ${without.join(', ')}.`)
  for (const death of deaths) console.log(`The adapter ${death}`)
  return results.every(isRight) && deaths.length === 0 ? 0 : 1
}

/** A line for each case, with the first faults of its variants. */
function* lines(results: readonly Result[], onlyFaults: boolean): Iterable<string> {
  for (const [id, variants] of byCase(results)) {
    const wrong = variants.filter(result => !isRight(result))
    const count =
      variants.length > 1 ? ` (${variants.length - wrong.length} of ${variants.length} variants)` : ''
    if (wrong.length > 0 || !onlyFaults) yield `${wrong.length === 0 ? 'ok    ' : 'not ok'} ${id}${count}`
    for (const { id: variant, faults } of wrong.slice(0, SHOWN_VARIANTS)) {
      for (const fault of faults)
        yield `       ${variant === id ? '' : `${variant.slice(id.length)}: `}${fault}`
    }
  }
}

function isRight({ faults }: Result): boolean {
  return faults.length === 0
}

function refuse(reason: string): number {
  console.error(`${reason}\n\n${USAGE}`)
  return 2
}

function readArguments() {
  try {
    const parsed = parseArgs({
      allowPositionals: true,
      options: {
        only: { type: 'string', default: '' },
        jobs: { type: 'string', default: '16' },
        patience: { type: 'string', default: '1' },
        list: { type: 'boolean', default: false },
        faults: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (!parsed.values.help) return parsed
    console.log(USAGE)
    process.exit(0)
  } catch (error) {
    process.exit(refuse(usageError(error).message))
  }
}
