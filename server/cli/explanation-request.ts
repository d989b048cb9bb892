/** The request of `sluice explain`. */
import Value from 'typebox/value'
import type { Client } from '../../clients/typescript/src/client.js'
import { Explanation } from '../../src/explain/explanation.js'
import { Failure } from './exit-code.js'

export interface Question {
  readonly event: string
  readonly principal?: string | undefined
  readonly client?: string | undefined
  readonly stream?: string | undefined
}

/** @throws {Failure} if something else than a gateway of this version answers. */
export async function askForExplanation({ gateway }: Client, question: Question): Promise<Explanation> {
  const { body } = await gateway.request<unknown>('GET', '/api/explain', { query: { ...question } })
  if (Value.Check(Explanation, body)) return body
  throw new Failure('The answer is not one of a gateway of this version. Check --url.')
}
