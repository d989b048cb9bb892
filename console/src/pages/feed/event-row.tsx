/** One entry of the list as a line. */
import { Badge } from '../../pieces/badge.tsx'
import { Moment } from '../../pieces/moment.tsx'
import type { StreamEvent } from '../../stream/stream-client.ts'
import { type Entry, type Gap, isGap } from './event-log.ts'
import { usePublisher } from './publishers.ts'
import { actorOf, sentenceOf, toneOf } from './sentence.ts'

const WHY_RESET: Readonly<Record<string, string>> = {
  retention: 'They are older than the retention time.',
  'history-lost': 'The log was restored to an earlier state.',
  'unknown-id': 'This log does not contain the last event of this page.',
  deleted: 'The stream was deleted.',
}

export function EventRow({ entry }: { entry: Entry }) {
  return isGap(entry) ? <span class="divider">{gapText(entry)}</span> : <Event {...entry} />
}

/** Its actor is the principal that the log has recorded, or else the one that its data names. */
function Event({ id, at, type, data, position }: StreamEvent) {
  const { part, text, raw } = sentenceOf(type, data)
  const actor = usePublisher(id) ?? actorOf(type, data)
  return (
    <span class="event">
      <Moment at={at} />
      <Badge text={type} tone={toneOf(type)} />
      <span class={raw ? 'text raw' : 'text'}>
        {part && <strong>{part}</strong>}
        {text}
      </span>
      {/* At the end: it may be known only a moment later, and must not move the text. */}
      <span class="end">
        {actor && <span class="actor">{actor}</span>}
        <span class="place">#{position}</span>
      </span>
    </span>
  )
}

/** What is missing, and why. */
export function gapText({ after, head, reason }: Gap): string {
  const gap = after > 0 ? `between #${after} and #${head}` : `up to #${head}`
  return `Events ${gap} are gone: reload your state. ${WHY_RESET[reason] ?? ''}`.trim()
}
