/**
 * Compares what a client was seen to do with what a case expects. Events, resets and the end always count, each in its place; every
 * other kind of observation counts only in a case that expects one of this kind.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Observation } from './adapter.js'
import type { Case, Expectation } from './case.js'

const ALWAYS = ['event', 'reset', 'ended']
/** Texts are cut in messages: some cases have events of megabytes. */
const SHOWN = 200

/** The kind of observation that it expects. */
export function kindOf({ times: _, ...expectation }: Expectation): string {
  return Object.keys(expectation)[0] ?? ''
}

export type Verdict =
  | { readonly state: 'complete' | 'waiting' }
  | { readonly state: 'wrong'; readonly reason: string }

/** `waiting`: everything is right so far, and more must come. */
export function compare(story: Case, observations: readonly Observation[]): Verdict {
  const counted = new Set([...ALWAYS, ...story.see.map(kindOf)])
  const seen = observations.filter(({ saw }) => counted.has(saw))
  let at = 0
  for (const expectation of story.see) {
    const { times = 1 } = expectation
    const most = times === 'any' ? Number.POSITIVE_INFINITY : times
    let matched = 0
    while (matched < most) {
      const observation = seen[at]
      if (!observation) return { state: 'waiting' }
      const difference = differenceOf(expectation, observation)
      if (difference === undefined) {
        at += 1
        matched += 1
      } else if (times === 'any' && matched > 0) break
      else return { state: 'wrong', reason: difference }
    }
  }
  const extra = seen[at]
  return extra
    ? { state: 'wrong', reason: `then saw ${show(extra)}, which is one too many` }
    : { state: 'complete' }
}

/** What the case still waits for, for a message. */
export function missing(story: Case, observations: readonly Observation[]): string {
  const counted = new Set([...ALWAYS, ...story.see.map(kindOf)])
  const seen = observations.filter(({ saw }) => counted.has(saw)).length
  const all = story.see.flatMap(each =>
    Array.from({ length: each.times === 'any' ? 1 : (each.times ?? 1) }, () => each),
  )
  const next = all[Math.min(seen, all.length - 1)]
  return `waits for ${next ? show({ ...next }) : 'nothing'} after ${seen} of ${all.length}: ${observations.slice(-5).map(show).join(', ') || 'nothing was seen'}`
}

function differenceOf(expectation: Expectation, observation: Observation): string | undefined {
  const kind = kindOf(expectation)
  const { times: _, ...expected } = expectation
  const { saw, ...members } = observation
  const wrong = `expected ${show({ ...expected })}, saw ${show(observation)}`
  if (saw !== kind) return wrong
  return fits(Object.entries(expected)[0]?.[1], members, kind) ? undefined : wrong
}

function fits(expected: unknown, seen: Readonly<Record<string, unknown>>, kind: string): boolean {
  if (expected === true) return true
  // `stored: "5"`, `comment: text`, `state: mode`: the only member of the observation.
  if (typeof expected === 'string') return Object.values(seen).includes(expected)
  if (typeof expected !== 'object' || expected === null) return false
  return Object.entries(expected).every(([name, value]) => {
    if (kind === 'retrying' && name === 'least_ms') return Number(seen.delay_ms) >= value
    if (kind === 'retrying' && name === 'most_ms') return Number(seen.delay_ms) <= value
    if (kind === 'ended' && name === 'detail') return String(seen.detail ?? '').includes(value)
    return isDeepStrictEqual(seen[name], dataOf(value))
  })
}

/** Data of megabytes is written as `{ repeat: text, count: n, then: text }`. */
function dataOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('repeat' in value) || !('count' in value)) return value
  return String(value.repeat).repeat(Number(value.count)) + ('then' in value ? String(value.then) : '')
}

function show(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text
}
