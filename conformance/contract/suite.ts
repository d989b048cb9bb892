/** The cases that a client can be held to, and what came of them. */
import pLimit from 'p-limit'
import { Adapter } from './adapter.js'
import type { Case } from './case.js'
import type { Patience } from './deadline.js'
import { play, type Result } from './play.js'

export interface Played {
  /** The name that the adapter gives its client. */
  readonly name: string
  /** The abilities that the client lacks, by its adapter. */
  readonly without: readonly string[]
  /** One for each case that needs none of them, in the order of the cases. */
  readonly results: readonly Result[]
  readonly leftOut: readonly Case[]
  /** How processes of the adapter ended but for the status 0, with what they wrote to standard error. */
  readonly deaths: readonly string[]
}

const UNHURRIED: Patience = () => 1

/**
 * Starts the adapter and plays the cases that its client has the abilities for: `jobs` of them at the same time, but those that are
 * marked `alone`. Every wait lasts `patience` times as long as on a quiet machine.
 * @throws {Error} if the adapter cannot be started, or does not introduce itself.
 */
export async function playSuite(
  cases: readonly Case[],
  command: readonly [string, ...string[]],
  { jobs = 16, patience = UNHURRIED },
): Promise<Played> {
  const adapter = new Adapter(command, patience)
  const { name, without } = await adapter.start()
  const isLeftOut = ({ layer, needs = [] }: Case) => [layer, ...needs].some(need => without.includes(need))
  const playable = cases.filter(each => !isLeftOut(each))
  const results = new Map<Case, Result>()
  for (const isAlone of [false, true]) {
    const limit = pLimit(isAlone ? 1 : jobs)
    const some = playable.filter(({ alone = false }) => alone === isAlone)
    await Promise.all(
      some.map(each => limit(async () => results.set(each, await play(each, adapter, patience)))),
    )
  }
  const deaths = await adapter.close()
  return {
    name,
    without,
    results: playable.flatMap(each => results.get(each) ?? []),
    leftOut: cases.filter(isLeftOut),
    deaths,
  }
}

/** The results by the ids of their cases, without the names of variants. */
export function byCase(results: readonly Result[]): Map<string, Result[]> {
  const cases = new Map<string, Result[]>()
  for (const result of results) {
    const [id = ''] = result.id.split('/')
    cases.set(id, [...(cases.get(id) ?? []), result])
  }
  return cases
}
