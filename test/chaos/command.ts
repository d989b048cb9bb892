/** `npm run chaos`: breaks a whole system for some minutes, and checks that nothing was lost. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { usageError } from '../../src/process/usage.js'
import { FAULTS } from './faults/all.js'
import { asMarkdown, reportOf, writeReport } from './report.js'
import { planOf, type RunOptions, runChaos } from './run.js'

const USAGE = `Usage: npm run chaos -- [options]

Starts three gateways behind nginx, a Postgres with a standby, and clients and publishers of many kinds; injects faults by a seed; then
checks event by event what everybody received. Prints a report.

  --seed S          repeats a run, as far as times allow: a whole number (default: chosen)
  --minutes M       how long faults are injected (default 1); every fault of the plan is injected in any case
  --deliveries N    goes on injecting faults until so many events have arrived at clients
  --clients N       how many clients (default 500)
  --events E        events a second of all streams together
  --fault NAME      only this fault; may be given several times. There are: ${FAULTS.map(({ name }) => name).join(', ')}
  --report FOLDER   writes chaos-report.md and chaos-report.json there, and keeps the history
  --help, -h        show this

Ends with 0 if nothing was found, 1 if something was, 2 if the run could not be made.`

process.exitCode = await main()

async function main(): Promise<number> {
  let options: Omit<RunOptions, 'folder'> & { readonly report: string | undefined }
  try {
    const read = readArguments()
    if (!read) {
      console.log(USAGE)
      return 0
    }
    options = read
    planOf(options)
  } catch (error) {
    console.error(`${usageError(error).message}\n\n${USAGE}`)
    return 2
  }
  const { report: kept, ...rest } = options
  if (kept) await mkdir(kept, { recursive: true })
  const folder = await mkdtemp(join(kept ?? tmpdir(), 'history-'))
  try {
    console.error(`seed ${rest.seed}`)
    const outcome = await runChaos({ ...rest, folder, say: line => console.error(line) })
    const report = reportOf(outcome)
    console.log(asMarkdown(report))
    if (kept) await writeReport(report, kept)
    return report.findings + report.anomalies.length === 0 ? 0 : 1
  } catch (error) {
    console.error(error)
    return 2
  } finally {
    if (!kept) await rm(folder, { recursive: true, force: true })
  }
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string', default: '1' },
      deliveries: { type: 'string', default: '0' },
      clients: { type: 'string', default: '500' },
      events: { type: 'string' },
      fault: { type: 'string', multiple: true },
      report: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return undefined
  return {
    seed: whole('--seed', values.seed ?? `${Date.now() % 1_000_000}`, 0),
    minutes: number('--minutes', values.minutes),
    leastDeliveries: whole('--deliveries', values.deliveries, 0),
    clients: whole('--clients', values.clients, 1),
    eventsPerSecond: values.events === undefined ? undefined : number('--events', values.events),
    faults: values.fault,
    report: values.report,
  }
}

function number(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 10_000)) throw new Error(`${name} must be a number above 0.`)
  return value
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`${name} must be a whole number from ${least}.`)
  return value
}
