/**
 * What `sluice doctor` says about one thing that it has looked at. A check that could not look says so: `unknown` is never `ok`.
 */
import { databaseFault } from '../../../src/database/database-fault.js'
import { sqlState } from '../../../src/problems/problem.js'

/** `fault`: clients or operators lose something now. `warning`: they may. `unknown`: the check could not look. */
export type Verdict = 'ok' | 'warning' | 'fault' | 'unknown'

export interface Finding {
  /** The name of the check, the same in every release, such as `database-listen`. */
  readonly check: string
  readonly verdict: Verdict
  /** What was found, as a sentence. */
  readonly text: string
  /** What to do, as a sentence; missing if nothing is to be done. */
  readonly remedy?: string
}

export function ok(check: string, text: string): Finding {
  return { check, verdict: 'ok', text }
}

export function warning(check: string, text: string, remedy: string): Finding {
  return { check, verdict: 'warning', text, remedy }
}

export function fault(check: string, text: string, remedy: string): Finding {
  return { check, verdict: 'fault', text, remedy }
}

/** @param remedy what would make the check possible. */
export function unknown(check: string, text: string, remedy?: string): Finding {
  return { check, verdict: 'unknown', text, ...(remedy === undefined ? {} : { remedy }) }
}

/** Runs a check. If it fails, its finding is `unknown`, with the reason: one check never keeps others from their answers. */
export async function attempt(
  check: string,
  look: () => Promise<Finding | readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return [await look()].flat()
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    return [
      unknown(check, `This could not be checked: ${text}${/[.!?]$/.test(text) ? '' : '.'}`, remedyOf(error)),
    ]
  }
}

function remedyOf(error: unknown): string | undefined {
  if (sqlState(error) === '42501')
    return 'Run doctor with the DATABASE_URL of the gateway, whose role owns the schema sluice.'
  if (databaseFault(error)?.name === 'too-slow') return 'The database is busy: run doctor again later.'
  return undefined
}

export type Tally = Readonly<Record<Verdict, number>>

export function tallyOf(findings: readonly Finding[]): Tally {
  const tally = { ok: 0, warning: 0, fault: 0, unknown: 0 }
  for (const { verdict } of findings) tally[verdict] += 1
  return tally
}
