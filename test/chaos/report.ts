/** What a run has shown, for people and for programs. */
import { writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import type { Outcome } from './run.js'

interface FaultFigures {
  readonly fault: string
  readonly injected: number
  /** In how many of these rounds it was alone: only these tell how long the recovery from it takes. */
  readonly alone: number
  readonly medianMs: number | undefined
  readonly maxMs: number | undefined
}

export type Report = ReturnType<typeof reportOf>

export function reportOf({ options, verdict, injections, counts, milliseconds, anomalies }: Outcome) {
  const faults = [...new Set(injections.map(({ fault }) => fault))]
    .sort()
    .map(fault => figuresOf(fault, injections))
  return {
    seed: options.seed,
    minutes: options.minutes,
    clients: options.clients,
    seconds: Math.round(milliseconds / 1_000),
    node: process.version,
    system: release(),
    deliveries: verdict.count('deliveries'),
    injected: injections.length,
    findings: verdict.findings,
    anomalies,
    faults,
    verdict: verdict.toJSON(),
    load: counts,
  }
}

function figuresOf(fault: string, injections: Outcome['injections']): FaultFigures {
  const own = injections.filter(each => each.fault === fault)
  const times = own.filter(({ beside }) => beside === undefined).map(({ recoveryMs }) => recoveryMs)
  times.sort((a, b) => a - b)
  const rounded = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms))
  return {
    fault,
    injected: own.length,
    alone: times.length,
    medianMs: rounded(times[Math.floor((times.length - 1) / 2)]),
    maxMs: rounded(times.at(-1)),
  }
}

export function asMarkdown(report: Report): string {
  const { verdict, faults, anomalies } = report
  const rows = faults.map(({ fault, injected, alone, medianMs, maxMs }) =>
    cells(fault, injected, alone, medianMs ?? '', maxMs ?? ''),
  )
  const looked = Object.entries(verdict.looked).map(([what, count]) =>
    cells(what, count.toLocaleString('en-US')),
  )
  const found = verdict.rules.flatMap(({ rule, count, examples = [] }) => [
    `- ${rule}, ${count} times`,
    ...examples.map(example => `  - ${example}`),
  ])
  const lines = [
    '# Report of a chaos run',
    '',
    `\`npm run chaos -- --seed ${report.seed} --minutes ${report.minutes} --clients ${report.clients}\`, Node ${report.node}, ` +
      `Linux ${report.system}: ${report.seconds} s from the start of the world until its end.`,
    '',
    `**${report.deliveries.toLocaleString('en-US')} deliveries checked, ${report.injected} faults injected, ` +
      `${report.findings} findings, ${anomalies.length} other anomalies.**`,
    '',
    '## Faults',
    '',
    'Recovery: from the end of the fault until an event published by SQL has arrived at a client of each of the three gateways and',
    'a publish over HTTP is stored. Only rounds in which the fault was alone count.',
    '',
    cells('fault', 'injected', 'alone', 'recovery, median, ms', 'recovery, max, ms'),
    cells('---', '---:', '---:', '---:', '---:'),
    ...rows,
    '',
    '## Checked',
    '',
    cells('what', 'how many'),
    cells('---', '---:'),
    ...looked,
    '',
    '## Findings',
    '',
    ...(found.length > 0 ? found : ['None.']),
    '',
    '## Other anomalies',
    '',
    ...(anomalies.length > 0 ? anomalies.map(anomaly => `- ${anomaly}`) : ['None.']),
    '',
  ]
  return lines.join('\n')
}

/** Writes `chaos-report.md` and `chaos-report.json` into the folder. */
export async function writeReport(report: Report, folder: string): Promise<void> {
  await writeFile(join(folder, 'chaos-report.md'), asMarkdown(report))
  await writeFile(join(folder, 'chaos-report.json'), `${JSON.stringify(report, null, 2)}\n`)
}

function cells(...values: readonly (string | number)[]): string {
  return `| ${values.join(' | ')} |`
}
