/** One entry of the list as a line. */
import { Badge } from '../../pieces/badge.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { type Entry, type Gap, isGap } from './event-log.ts'
import { actorOf, sentenceOf, toneOf } from './sentence.ts'

const WHY_RESET: Readonly<Record<string, string>> = {
  retention: 'They are older than the retention time.',
  'history-lost': 'The log was restored to an earlier state.',
  'unknown-id': 'This log does not contain the last event of this page.',
  deleted: 'The stream was deleted.',
}

export function EventRow({ entry }: { entry: Entry }) {
  if (isGap(entry)) return <span class="divider">{gapText(entry)}</span>
  const { part, text, raw } = sentenceOf(entry.type, entry.data)
  const actor = actorOf(entry.type, entry.data)
  return (
    <span class="event">
      <Moment at={entry.at} />
      <Badge text={entry.type} tone={toneOf(entry.type)} />
      <span class={raw ? 'text raw' : 'text'}>
        {actor && <span class="actor">{actor}</span>}
        {part && <strong>{part}</strong>}
        {text}
      </span>
      <span class="place">#{entry.position}</span>
    </span>
  )
}

/** What is missing, and why. */
export function gapText({ after, head, reason }: Gap): string {
  const gap = after > 0 ? `between #${after} and #${head}` : `up to #${head}`
  return `Events ${gap} are gone: reload your state. ${WHY_RESET[reason] ?? ''}`.trim()
}
