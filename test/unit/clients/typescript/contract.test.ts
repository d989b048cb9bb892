/** The TypeScript client behaves as every case of the contract says, in both layers. */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { holdToContract } from '../../../harness/contract.js'

const adapter = new URL('../../../../clients/typescript/conformance/adapter.js', import.meta.url)

t.test('the client keeps the contract', t => holdToContract(t, [process.execPath, fileURLToPath(adapter)]))
