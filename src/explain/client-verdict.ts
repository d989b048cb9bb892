/**
 * Whether one client got an event, and why not: a pure function of the log's facts and of the memory of the client's process.
 * The first rule that applies decides: first whether the client could get the event at all, then whether its cursor has passed
 * it, then why not.
 */
import type { ClientDocument, ClosedClientDocument } from '../clients/client-document.js'
import type { ClientReport, Judgement } from '../clients/client-report.js'
import { parseEventId } from '../log/event-id.js'
import { isCompacted, type StoredFacts } from './event-facts.js'
import type { ClientCause, ExplainedClient } from './explanation.js'

export interface KnownClient {
  readonly client: ClientDocument | ClosedClientDocument
  readonly judgement: Judgement | undefined
  /** The report of the client's process. */
  readonly report: Pick<ClientReport, 'clockAheadMs' | 'readAt' | 'head'>
  /** In ms since 1970, by the clock of that process: when it was asked. */
  readonly now: number
}

/** The event, as far as the log has it. */
export type KnownEvent =
  | StoredFacts
  | { readonly found: 'removed'; readonly stream: string; readonly position: number }

interface Verdict {
  readonly cause: ClientCause
  readonly explanation: string
  readonly written?: { readonly from: number; readonly to: number } | undefined
}

export function explainClient(event: KnownEvent, known: KnownClient): ExplainedClient {
  const { client, judgement } = known
  const closed = 'closed_at' in client ? client : undefined
  const { cause, explanation, written } = verdictOn(event, known)
  const { connection, node, principal, address, stream, opened_at, cursor, bytes_waiting } = client
  return {
    ...{ connection, node, principal, address, stream, opened_at, cursor, bytes_waiting },
    closed_at: closed?.closed_at ?? null,
    close_reason: closed?.reason ?? null,
    cause,
    entitled: entitled(event, client, judgement),
    written_after: written ? timeOf(written.from) : null,
    written_before: written ? timeOf(written.to) : null,
    explanation,
  }
}

function entitled(
  event: KnownEvent,
  client: KnownClient['client'],
  judgement: Judgement | undefined,
): boolean | null {
  if (client.stream !== event.stream) return false
  if (event.found === 'removed' || !judgement || isCompacted(event)) return null
  const { granted, types, where, form } = judgement
  // A condition on the data cannot be judged any more, because redaction has replaced the data.
  if (event.redactedAt && client.filter?.where) return granted && types && form ? null : false
  return granted && types && where && form
}

function verdictOn(event: KnownEvent, known: KnownClient): Verdict {
  return (
    notEntitled(event, known) ?? skipped(event, known) ?? passed(event, known) ?? notReached(event, known)
  )
}

/** The client could not get the event, wherever its cursor is. */
function notEntitled(event: KnownEvent, { client, judgement }: KnownClient): Verdict | undefined {
  if (client.stream !== event.stream) {
    return {
      cause: 'other-stream',
      explanation: `The client followed the stream ${client.stream}; the event is in ${event.stream}.`,
    }
  }
  if (event.found === 'removed' || !judgement || isCompacted(event)) return undefined
  const { granted, types, where, form } = judgement
  if (!granted) {
    const terms = client.granted_types?.join(', ') || 'none'
    return {
      cause: 'not-granted',
      explanation: `The client's grants leave these types: ${terms}. The event is a ${event.type}.`,
    }
  }
  if (!types) {
    const terms = client.filter?.types?.join(', ')
    return {
      cause: 'filtered-by-type',
      explanation: `The client asked for the types ${terms}. The event is a ${event.type}.`,
    }
  }
  if (!where && !event.redactedAt) {
    return {
      cause: 'filtered-by-where',
      explanation: `The client asked for events with ${client.filter?.where}, which does not hold for this one.`,
    }
  }
  if (!form) {
    return {
      cause: 'not-in-form',
      explanation: `The client follows in the form ${client.encoding}, which has no message for a ${event.type}.`,
    }
  }
  return undefined
}

/** The client was placed beyond the event, without getting it. */
function skipped({ position }: KnownEvent, { client }: KnownClient): Verdict | undefined {
  const { last_reset: reset, started_after, brought_id, newest_by_key_to } = client
  const isWithin =
    reset && position <= positionOf(reset.to) && (!reset.from || position > positionOf(reset.from))
  if (isWithin) {
    return {
      cause: 'reset',
      explanation:
        `At ${reset.at} the client got a reset (${reset.reason}) from ${reset.from ?? 'an unknown id'} to ${reset.to}, ` +
        'which says that events in between are missing; this is one of them. The client was to load its state again.',
    }
  }
  if (position <= positionOf(started_after)) {
    const how = brought_id
      ? `The client brought an id and continued after ${started_after}: it said that it had this event.`
      : `The client began after ${started_after}, which is not before this event.`
    return { cause: 'started-after', explanation: `${how} It was opened at ${client.opened_at}.` }
  }
  if (newest_by_key_to !== null && position <= positionOf(newest_by_key_to)) {
    return {
      cause: 'newest-by-key',
      explanation:
        `The client asked for the newest event of each key up to ${newest_by_key_to}. It got this event only if no newer one ` +
        'has the same key.',
    }
  }
  return undefined
}

/** The cursor has passed the event. */
function passed(event: KnownEvent, known: KnownClient): Verdict | undefined {
  const { client } = known
  if (positionOf(client.cursor) < event.position) return undefined
  if (event.found === 'removed') {
    return {
      cause: 'removed',
      explanation: `The client has passed the place of the event (its cursor is ${client.cursor}). Retention has removed the event since, so whether the filter let it through is unknown.`,
    }
  }
  const written = whenPassed(event, known)
  const exact = written.from === written.to
  if (isCompacted(event) && !exact) {
    return {
      cause: 'compacted',
      explanation:
        'Compaction has removed the data of the event, because a newer event has the same key. A client that reads it after ' +
        'that does not get it; when this client passed it is not known.',
    }
  }
  const when = exact
    ? `at ${timeOf(written.from)}, when this process read it: the client was live`
    : `between ${timeOf(written.from)} and ${timeOf(written.to)}`
  const redactedAt = event.redactedAt && event.redactedAt.getTime() - known.report.clockAheadMs
  if (redactedAt && redactedAt < written.to) {
    const certain = redactedAt < written.from
    return {
      cause: 'written-redacted',
      explanation: `The event was redacted at ${timeOf(redactedAt)}. It was written ${when}, ${certain ? 'without its data' : 'with its data or without'}.${waiting(client)}`,
      written,
    }
  }
  return {
    cause: 'written',
    explanation: `The event was written ${when}.${waiting(client)} Whether the client has handled it is unknown${client.consumer ? `: the cursor of the consumer ${client.consumer.name} shows what it has acknowledged` : ': a stream has no acknowledgement'}.`,
    written,
  }
}

/** The client has not come to the event. */
function notReached(event: KnownEvent, { client, report }: KnownClient): Verdict {
  if ('closed_at' in client) return endedBefore(event, client, report.clockAheadMs)
  const behind = `Its cursor is ${client.cursor}, ${client.lag_events} events behind the head`
  if (client.state === 'full') {
    return {
      cause: 'backpressure',
      explanation: `The client does not read: ${client.bytes_waiting} bytes wait for it, and nothing more is written until it does. ${behind}.`,
    }
  }
  if (client.state === 'unacknowledged') {
    return {
      cause: 'unacknowledged',
      explanation: `The client holds the consumer ${client.consumer?.name} and has not acknowledged as many events as may be in flight. It gets no more until it acknowledges. ${behind}.`,
    }
  }
  if (report.head !== undefined && report.head < event.position) {
    return {
      cause: 'not-read',
      explanation: `The process of the client knows the stream up to position ${report.head}: it has not read the event from the log yet.`,
    }
  }
  return {
    cause: 'catching-up',
    explanation: `The client is catching up${client.behind_since === null ? '' : ` since ${client.behind_since}`}. ${behind}.`,
  }
}

function endedBefore(event: KnownEvent, client: ClosedClientDocument, clockAheadMs: number): Verdict {
  const { closed_at, reason, cursor } = client
  const earlier =
    event.found === 'stored' && Date.parse(closed_at) < event.at.getTime() - clockAheadMs
      ? ', before the event was published'
      : ', before it had come to the event'
  if (reason === 'client') {
    return {
      cause: 'disconnected',
      explanation: `The client disconnected at ${closed_at}${earlier}. Its cursor was ${cursor}; it gets the event when it reconnects with that id.`,
    }
  }
  return {
    cause: 'closed',
    explanation: `The gateway ended the stream at ${closed_at} (${reason})${earlier}. The cursor of the client was ${cursor}.`,
  }
}

/** In ms since 1970, by the clock of the client's process. Exact if the client was live when that process read the event. */
function whenPassed(event: StoredFacts, { client, report, now }: KnownClient): { from: number; to: number } {
  const { readAt, clockAheadMs } = report
  const end = 'closed_at' in client ? Date.parse(client.closed_at) : now
  const liveSince = client.live_since === null ? undefined : Date.parse(client.live_since)
  if (readAt !== undefined && liveSince !== undefined && liveSince <= readAt && readAt <= end)
    return { from: readAt, to: readAt }
  const from = Math.max(Date.parse(client.opened_at), event.at.getTime() - clockAheadMs)
  // It became live after this process had read the event, so it had the event by then.
  const to = readAt !== undefined && liveSince !== undefined && readAt < liveSince ? liveSince : end
  return { from: Math.min(from, to), to }
}

function waiting({ bytes_waiting, ...client }: KnownClient['client']): string {
  if (bytes_waiting === 0) return ''
  return 'closed_at' in client
    ? ` ${bytes_waiting} bytes had not left this process when the stream closed; the event may have been among them.`
    : ` ${bytes_waiting} bytes still wait in this process for the client to read; the event may be among them.`
}

function positionOf(cursor: string): number {
  return parseEventId(cursor)?.position ?? 0
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
