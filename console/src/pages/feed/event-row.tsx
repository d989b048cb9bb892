/** One event as a line of the list. */
import { Badge } from '../../pieces/badge.tsx'
import { Moment } from '../../pieces/moment.tsx'
import type { StreamEvent } from '../../stream/stream-client.ts'
import { sentenceOf, toneOf } from './sentence.ts'

export function EventRow({ event }: { event: StreamEvent }) {
  const { part, text, raw } = sentenceOf(event.type, event.data)
  return (
    <span class="event">
      <Moment at={event.at} />
      <Badge text={event.type} tone={toneOf(event.type)} />
      <span class={raw ? 'text raw' : 'text'}>
        {part && <strong>{part}</strong>}
        {text}
      </span>
      <span class="place">#{event.position}</span>
    </span>
  )
}
