/** The events of one item, newest first, as they are committed. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { useApi } from '../../api/api.ts'
import { Badge } from '../../pieces/badge.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { hrefOf } from '../../shell/route.ts'
import { followStream, type StreamEvent, type StreamState } from '../../stream/stream-client.ts'
import { StreamStatePill } from '../../stream/stream-state.tsx'
import { sentenceOf, toneOf } from '../feed/sentence.ts'

/** Events that are shown at first. With a filter, the gateway looks for them among the newest 10,000. */
const REPLAY = 200
const MAX_EVENTS = 5_000

export interface ItemHistoryProps {
  readonly partNumber: string
  /** The item has changed. */
  readonly onChange: () => void
}

export function ItemHistory({ partNumber, onChange }: ItemHistoryProps) {
  const api = useApi()
  const [events, setEvents] = useState<readonly StreamEvent[]>([])
  const [state, setState] = useState<StreamState>({ name: 'connecting' })
  const [isWhole, setWhole] = useState(false)
  const [gap, setGap] = useState<string>()
  const changed = useRef(onChange)
  changed.current = onChange

  useEffect(() => {
    setEvents([])
    setGap(undefined)
    const stream = followStream({
      api,
      path: 'api/events',
      query: {
        types: 'item.*,revision.*',
        where: `data.part_number eq ${JSON.stringify(partNumber)}`,
        ...(isWhole ? { from: 'beginning' } : { last: REPLAY }),
      },
      onEvents(more) {
        setEvents(before => [...before, ...more].slice(-MAX_EVENTS))
        changed.current()
      },
      onState: setState,
      onReset: ({ after, head }) => setGap(`Events between #${after} and #${head} are gone.`),
    })
    return () => stream.close()
  }, [api, partNumber, isWhole])

  return (
    <section class="card panel" aria-labelledby="history-title">
      <div class="heading">
        <h2 id="history-title">History</h2>
        <StreamStatePill state={state} />
      </div>
      {state.name === 'refused' && <Failure failure={state.failure} />}
      {gap && <p class="notice">{gap}</p>}
      {events.length === 0 && state.name === 'live' && (
        <p class="hint">
          No event of this item is among the newest ones. Its next change appears here at once.
        </p>
      )}
      <ol class="history">
        {[...events].reverse().map(event => (
          <li key={event.position}>
            <a href={hrefOf('feed', [event.id])}>
              <Moment at={event.at} long />
            </a>
            <Badge text={event.type} tone={toneOf(event.type)} />
            <span class="text">{sentenceOf(event.type, event.data).text}</span>
          </li>
        ))}
      </ol>
      {!isWhole && (
        <button type="button" class="quiet" onClick={() => setWhole(true)}>
          Read from the beginning of the feed
        </button>
      )}
    </section>
  )
}
