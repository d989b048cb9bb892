/** Notices about the list: that it shows the past, why it was refused or has ended, which events are missing. */
import { Failure } from '../../pieces/failure.tsx'
import { navigate } from '../../shell/route.ts'
import { gapText } from './event-row.tsx'
import { type Filter, feedHref, isTime } from './filter.ts'
import type { Feed } from './use-feed.ts'

export function Notices({ feed, filter }: { feed: Feed; filter: Filter }) {
  const { state, failure, lastGap } = feed
  return (
    <>
      {failure && <Failure failure={failure} />}
      {state?.name === 'refused' && <Failure failure={state.failure} onRetry={feed.restart} />}
      {state?.name === 'reconnecting' && (
        <p class="notice row">
          {state.why} What is shown stays, and nothing will be missing.
          <button type="button" class="quiet" onClick={feed.retry}>
            Try now
          </button>
        </p>
      )}
      {state?.name === 'ended' && (
        <p class="notice" role="alert">
          {state.why}
        </p>
      )}
      {lastGap && (
        <p class="notice row" role="alert">
          {gapText(lastGap)}
          <button
            type="button"
            class="quiet"
            onClick={() => navigate(feedHref({ ...filter, from: lastGap.earliest, at: '' }))}
          >
            Show what is still stored
          </button>
        </p>
      )}
      {filter.until !== '' && (
        <p class="notice row">
          Only events until {new Date(filter.until).toLocaleString()} are shown.
          <button type="button" class="quiet" onClick={() => navigate(feedHref({ ...filter, until: '' }))}>
            Show newer ones too
          </button>
        </p>
      )}
      {filter.at !== '' && (
        <p class="notice row">
          These are events of the past
          {isTime(filter.at) ? `, from ${new Date(filter.at).toLocaleString()}` : ''}.
          <button type="button" class="quiet" onClick={() => void feed.loadNewer()}>
            Load newer events
          </button>
          <button type="button" class="quiet" onClick={() => navigate(feedHref({ ...filter, at: '' }))}>
            Back to live
          </button>
        </p>
      )}
    </>
  )
}
