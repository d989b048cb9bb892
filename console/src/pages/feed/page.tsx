/** The feed: the events of a stream as they are committed, newest first. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useApi } from '../../api/api.ts'
import { Empty } from '../../pieces/empty.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { VirtualList } from '../../pieces/virtual-list.tsx'
import { hrefOf, navigate, type PageProps } from '../../shell/route.ts'
import { useShortcut } from '../../shell/shortcuts.tsx'
import { followStream, type StreamState } from '../../stream/stream-client.ts'
import { StreamStatePill } from '../../stream/stream-state.tsx'
import { EventDetails } from './event-details.tsx'
import { NO_EVENTS, withEvents } from './event-log.ts'
import { EventRow } from './event-row.tsx'
import './feed.css'

const REPLAY = 200

export default function FeedPage({ route }: PageProps) {
  const api = useApi()
  const types = route.query.get('types') ?? ''
  const [view, setView] = useState(NO_EVENTS)
  const [state, setState] = useState<StreamState>({ name: 'connecting' })
  const isHeld = useRef(false)
  const field = useRef<HTMLInputElement>(null)
  useShortcut('/', 'Go to the filter of types', () => field.current?.focus())

  useEffect(() => {
    setView(NO_EVENTS)
    const stream = followStream({
      api,
      path: 'api/events',
      query: { types, last: REPLAY },
      onEvents: events => setView(before => withEvents(before, events, isHeld.current)),
      onState: setState,
    })
    return () => stream.close()
  }, [api, types])

  const shown = useMemo(() => view.events.slice(0, view.shown).reverse(), [view])
  const [id] = route.rest
  return (
    <section class="page">
      <PageHeading title="Database Activity">
        <search>
          <form
            id="filter"
            onSubmit={event => {
              event.preventDefault()
              navigate(hrefOf('feed', [], { types: field.current?.value.replaceAll(' ', '') }))
            }}
          >
            <label for="types">Types</label>
            <input
              ref={field}
              id="types"
              value={types}
              placeholder="all, or item.*, order.paid"
              autocomplete="off"
              spellcheck={false}
            />
            <button type="submit" class="quiet">
              Apply
            </button>
          </form>
        </search>
        <StreamStatePill state={state} />
      </PageHeading>
      {state.name === 'refused' && <Failure failure={state.failure} />}
      {shown.length > 0 ? (
        <VirtualList
          count={shown.length}
          label="Events, newest first"
          keyOf={index => shown[index]?.position ?? index}
          row={index => shown[index] && <EventRow event={shown[index]} />}
          hrefOf={index => hrefOf('feed', [shown[index]?.id ?? ''], { types })}
          selected={shown.findIndex(event => event.id === id)}
        />
      ) : (
        <Empty title={types ? 'No event of these types yet' : 'No events yet'}>
          <p>Events appear here as soon as they are committed.</p>
        </Empty>
      )}
      {id && <EventDetails key={id} id={id} backHref={hrefOf('feed', [], { types })} />}
    </section>
  )
}
