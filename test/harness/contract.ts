/** Holds a client to the contract (conformance/contract): a test for each case, which fails with what the client did instead. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { readCases } from '../../conformance/contract/case-files.js'
import { byCase, playSuite } from '../../conformance/contract/suite.js'
import { packageRoot } from '../../src/process/package-root.js'
import { patient } from './patience.js'

/** @param command how its adapter is started. No case may be left out. */
export async function holdToContract(t: Test, command: readonly [string, ...string[]]): Promise<void> {
  const cases = readCases(join(packageRoot, 'conformance/contract/cases'))
  const { results, without } = await playSuite(cases, command, { patience: patient(1_000) / 1_000 })

  t.strictSame(without, [], 'the client has every ability')
  for (const [id, variants] of byCase(results)) {
    const faults = variants.flatMap(({ id: variant, faults }) => faults.map(fault => `${variant}: ${fault}`))
    t.strictSame(faults, [], id)
  }
  t.equal(results.length, cases.length, 'every case was played')
}
