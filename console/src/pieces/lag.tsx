/** How far a consumer or a webhook is behind its stream. */
import { duration } from './duration.ts'

export function Lag({
  lag: { events, seconds },
}: {
  lag: { readonly events: number; readonly seconds: number }
}) {
  if (events === 0) return <>none</>
  return (
    <>
      {events.toLocaleString('en')} {events === 1 ? 'event' : 'events'}
      <span class="hint block">{duration(seconds * 1_000)}</span>
    </>
  )
}
