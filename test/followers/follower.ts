/** A client of the load, of any kind: it follows one stream through everything until it has the last event. */
import { setTimeout as pause } from 'node:timers/promises'
import type { RecordedClient, Recorder } from '../checker/recorder.js'
import { WITH_WHERE } from './forms.js'

/** Of the clients that lack something. */
const SHOWN = 10
const SETTLE_EACH_MS = 3

export interface Follower {
  readonly name: string
  /** `<workspace>/<stream>`. */
  readonly stream: string
  /** Whether it has the last event. */
  readonly isDone: boolean
  /** Where it is, for a report. */
  readonly place: string
  /** Resolves when it has the last event, or was stopped. */
  follow(): Promise<void>
  /**
   * From now on it stays where it is, reads as fast as it can, and comes back soon.
   * @param last the id of the last event of its stream. A client that began after it gets only the id.
   */
  settle(last: string): void
  /** Ends it at once. */
  stop(): void
}

/**
 * One after the other: after an hour there are thousands of followers of ended jobs, and each comes back at once.
 * @param last the id of the last event, by `<workspace>/<stream>`
 */
export async function settleAll(
  followers: readonly Follower[],
  last: Readonly<Record<string, string>>,
): Promise<void> {
  for (const each of followers) {
    each.settle(last[each.stream] ?? '')
    await pause(SETTLE_EACH_MS)
  }
}

/** What a client wants of a stream, and who records what it gets. */
export interface Wanted {
  readonly name: string
  readonly recorder: Recorder
  readonly workspace: string
  readonly stream: string
  readonly types: readonly string[] | undefined
  /** The types that its credentials allow. Default: all. With none of them it may not see the stream. */
  readonly granted?: readonly string[] | undefined
  /** With a filter of the content. */
  readonly where?: boolean
  readonly from: 'beginning' | 'now'
}

/** Whether it may see nothing, and has to be refused. */
export function isStranger({ granted }: Wanted): boolean {
  return granted?.length === 0
}

export function recordedClient(wanted: Wanted, form: string): RecordedClient {
  const { name, recorder, workspace, stream, types, granted, where, from } = wanted
  return recorder.client({
    client: name,
    stream: `${workspace}/${stream}`,
    form: form + (where ? WITH_WHERE : ''),
    from,
    ...(types && { types: [...types] }),
    ...(granted && { granted: [...granted] }),
  })
}

/** What a process of clients reports. */
export interface FollowersReport extends Tally {
  readonly clients: number
  readonly done: number
  /** Some clients that lack the last event, with their places. */
  readonly missing: readonly string[]
}

export function reportOf(followers: readonly Follower[], tally: Tally): FollowersReport {
  const missing = followers.filter(each => !each.isDone)
  return {
    ...tally,
    clients: followers.length,
    done: followers.length - missing.length,
    missing: missing.slice(0, SHOWN).map(({ name, place }) => `${name} at ${place}`),
  }
}

/** What a process has seen, beside what the history says. */
export interface Tally {
  connections: number
  /** Streams and requests that were refused, `unavailable` included. */
  refusals: number
  deliveries: number
}
