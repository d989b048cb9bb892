/** What this application keeps, it keeps in streams of the gateway. Their names, and how they are read. */
import type { Client, JsonObject } from 'sluice-client'

export interface StoredEvent {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
}

interface EventPage {
  readonly events: readonly StoredEvent[]
  readonly next: string
  readonly head: string
}

interface LatestPage {
  readonly events: readonly StoredEvent[]
  readonly next_cursor: string | null
}

/** The answers that are being written: `answer.started`, and `answer.ended` with the same `id`, which is the stream of the answer. */
export const UNDER_WAY = 'ai-chat/under-way'

/** The questions and answers of a chat. */
export function transcriptOf(chat: string): string {
  return `ai-chat/${chat}/transcript`
}

/** The parts of one answer, as the model gives them. */
export function answerOf(chat: string, question: string): string {
  return `ai-chat/${chat}/answers/${question}`
}

/** All events of a stream, and the id of the last one; none if the stream does not exist. */
export async function eventsOf(client: Client, stream: string) {
  const events: StoredEvent[] = []
  for (let after = '0'; ; ) {
    const { body }: { body: EventPage } = await client.gateway.request('GET', '/api/events', {
      query: { stream, after, limit: 1_000 },
      headers: { Accept: 'application/json' },
    })
    events.push(...body.events)
    if (body.next === body.head) return { events, head: body.head }
    after = body.next
  }
}

/** The newest event of each `data.id`, without those that have ended. */
export async function unfinished(client: Client): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = []
  let cursor: string | null = null
  do {
    const { body }: { body: LatestPage } = await client.gateway.request('GET', '/api/latest', {
      query: { stream: UNDER_WAY, key: 'data.id', deleted: 'answer.ended', cursor },
    })
    events.push(...body.events)
    cursor = body.next_cursor
  } while (cursor)
  return events
}
