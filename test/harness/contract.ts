/** Holds a client to the contract (conformance/contract): a test for each case, which fails with what the client did instead. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { readCases } from '../../conformance/contract/case-files.js'
import { byCase, playSuite } from '../../conformance/contract/suite.js'
import { packageRoot } from '../../src/process/package-root.js'
import { patient } from './patience.js'

/** Of a reason in the name of a test. */
const MOST_CHARACTERS = 200

/** @param command how its adapter is started. No case may be left out. */
export async function holdToContract(t: Test, command: readonly [string, ...string[]]): Promise<void> {
  const cases = readCases(join(packageRoot, 'conformance/contract/cases'))
  const patience = () => patient(1_000) / 1_000
  const { results, without, deaths } = await playSuite(cases, command, { patience })

  t.strictSame(without, [], 'the client has every ability')
  for (const [id, variants] of byCase(results)) {
    const faults = variants.flatMap(({ id: variant, faults }) => faults.map(fault => `${variant}: ${fault}`))
    // The reason is part of the name, because a list of the tests that failed has only the names.
    t.strictSame(faults, [], faults.length === 0 ? id : `${id}: ${brief(faults[0])}`)
  }
  t.strictSame(deaths, [], deaths.length === 0 ? 'the adapter ends well' : `the adapter ${brief(deaths[0])}`)
  t.equal(results.length, cases.length, 'every case was played')
}

/** On one line, with the words that matter first, as a name of a test has room for. */
function brief(reason = ''): string {
  const [how = '', ...words] = reason.split('\n').filter(line => /[^=\s]/.test(line))
  return `${how} ${words[0] ?? ''}`.trim().slice(0, MOST_CHARACTERS)
}
