/** `npm run checker -- HISTORY…`: checks the files of one history, and prints the verdict. Ends with 1 if it finds something. */
import { parseArgs } from 'node:util'
import { usageError } from '../../src/process/usage.js'
import { linesOf } from './history-file.js'
import { judge } from './oracle.js'

const USAGE = `Usage: npm run checker -- [--json] HISTORY…

Checks the history of a run, which may be in several files, and prints what it has looked at and what it has found.

  --json      as JSON
  --help, -h  show this

Ends with 0 if nothing was found, 1 if something was, 2 if the history cannot be read.`

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help) {
      console.log(USAGE)
      return 0
    }
    if (positionals.length === 0) throw new Error('Name the file of a history.')
    const verdict = await judge(linesOf(...positionals))
    console.log(values.json ? JSON.stringify(verdict, null, 2) : String(verdict))
    return verdict.findings === 0 ? 0 : 1
  } catch (error) {
    console.error(`${usageError(error).message}\n\n${USAGE}`)
    return 2
  }
}
