/** Shown in place of an empty list: why it is empty, and the next step. */
import { Empty } from '../../pieces/empty.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { navigate } from '../../shell/route.ts'
import { type Filter, feedHref } from './filter.ts'
import type { Feed } from './use-feed.ts'

export interface NoEventsProps {
  readonly feed: Feed
  readonly filter: Filter
  /** Undefined: the role may not publish. */
  readonly onPublish: (() => void) | undefined
}

export function NoEvents({ feed, filter, onPublish }: NoEventsProps) {
  const { log, state, failure } = feed
  if (failure || state?.name === 'refused') return null
  if (log.entries.length > 0 && filter.text !== '') {
    return (
      <Empty title={`None of ${log.entries.length.toLocaleString('en')} events contains “${filter.text}”`}>
        <p>
          <button
            type="button"
            class="quiet"
            onClick={() => navigate(feedHref({ ...filter, text: '' }), { replace: true })}
          >
            Show all of them
          </button>
        </p>
      </Empty>
    )
  }
  if (state?.name === 'connecting') return <Loading what="the events" />
  // Nobody knows now whether there are events; the notice above says why.
  if (state?.name === 'reconnecting') return null
  return (
    <Empty title={filter.types ? 'No event of these types yet' : 'No events yet'}>
      {filter.types && (
        <p>
          <button type="button" class="quiet" onClick={() => void feed.loadOlder()}>
            Look for older ones
          </button>
        </p>
      )}
      {onPublish ? (
        <>
          <p>An event appears here as soon as it is committed.</p>
          <p>
            <button type="button" class="quiet" onClick={onPublish}>
              Publish a test event
            </button>
          </p>
        </>
      ) : (
        <p>
          Your token may only read. Changes by others appear here; an editor token can publish the first
          event.
        </p>
      )}
    </Empty>
  )
}
