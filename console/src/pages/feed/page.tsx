/** The feed: the events of a stream as they are committed, newest first. */
import { useCallback, useRef, useState } from 'preact/hooks'
import { useApi } from '../../api/api.ts'
import { CopyButton } from '../../pieces/copy-button.tsx'
import { MoreMenu } from '../../pieces/more-menu.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { VirtualList } from '../../pieces/virtual-list.tsx'
import { allows } from '../../session/principal.ts'
import { useSession } from '../../session/session.ts'
import type { PageProps } from '../../shell/route.ts'
import { useShortcut } from '../../shell/shortcuts.tsx'
import { StreamStatePill } from '../../stream/stream-state.tsx'
import { addressOf, followCommand } from './curl.ts'
import { EventDetails } from './event-details.tsx'
import { isGap } from './event-log.ts'
import { EventRow } from './event-row.tsx'
import { feedHref, filterOf, queryOf } from './filter.ts'
import { FilterBar } from './filter-bar.tsx'
import { NoEvents } from './no-events.tsx'
import { Notices } from './notices.tsx'
import { PublishDialog } from './publish-dialog.tsx'
import { PublishersContext, usePublishers } from './publishers.ts'
import { useArrivals } from './use-arrivals.ts'
import { useFeed } from './use-feed.ts'
import { Watching } from './watching.tsx'
import './feed.css'

export default function FeedPage({ route }: PageProps) {
  const api = useApi()
  const { principal } = useSession()
  const filter = filterOf(route)
  const { stream } = filter
  const [said, hear] = useArrivals('Feed')
  const feed = useFeed(filter, hear)
  const [isPublishing, setPublishing] = useState(false)
  const list = useRef<HTMLDivElement>(null)
  const mayPublish = allows(principal, 'editor')
  const publishers = usePublishers(principal, stream)
  const { log, isPaused } = feed
  const unseen = log.matching.length - log.shown
  const at = (index: number) => log.matching[log.shown - 1 - index]
  const [id] = route.rest

  const showNew = useCallback(() => {
    feed.showNew()
    list.current?.querySelector('.virtual')?.scrollTo({ top: 0 })
  }, [feed.showNew])
  useShortcut('p', 'Pause, or go on', () => feed.setPaused(!isPaused))
  useShortcut('n', 'Show the new events', showNew)
  useShortcut('c', 'Publish a test event', () => mayPublish && setPublishing(true))

  const selected = id === undefined ? -1 : indexOf(id, log.shown, at)
  const link = useCallback(async () => {
    const path = new URL(addressOf('api/events', queryOf(filter)))
    const issued = await api.send<{ url: string }>('POST', 'api/stream-tickets', {
      path: path.pathname + path.search,
    })
    return new URL(issued.url, location.origin).href
  }, [api, stream, filter.types])

  return (
    <section class={id === undefined ? 'feed' : 'feed with-details'}>
      <PageHeading title="Database Activity">
        {feed.state && <StreamStatePill state={feed.state} />}
        <Watching stream={stream || 'feed'} state={feed.state} mayList={mayPublish} />
        {feed.state && (
          <button
            type="button"
            class="quiet"
            aria-pressed={isPaused}
            onClick={() => feed.setPaused(!isPaused)}
          >
            {isPaused ? 'Paused' : 'Pause'}
          </button>
        )}
        <MoreMenu label="Share">
          <CopyButton text={followCommand(queryOf(filter))} done="The command is copied.">
            Copy as curl
          </CopyButton>
          <CopyButton text={link} done="Copied. The link opens this stream once, within 30 s.">
            Copy a link that works
          </CopyButton>
        </MoreMenu>
        {mayPublish && (
          <button type="button" id="publish-event" onClick={() => setPublishing(true)}>
            Publish
          </button>
        )}
      </PageHeading>
      <FilterBar key={`${stream} ${filter.types}`} filter={filter} />
      <Notices feed={feed} filter={filter} />
      <div class="beside">
        <div class="list" ref={list}>
          {unseen > 0 && (
            <button type="button" class="new" onClick={showNew}>
              {unseen.toLocaleString('en')} new
            </button>
          )}
          {log.shown > 0 ? (
            <PublishersContext.Provider value={publishers}>
              <VirtualList
                count={log.shown}
                label="Events, newest first"
                keyOf={index => keyAt(at(index))}
                row={index => rowOf(at(index))}
                hrefOf={index => hrefAt(at(index))}
                selected={selected}
                reveal={selected}
                onAtTop={feed.setAtTop}
                footer={
                  <button type="button" class="quiet" onClick={() => void feed.loadOlder()}>
                    Load older events
                  </button>
                }
              />
            </PublishersContext.Provider>
          ) : (
            <NoEvents
              feed={feed}
              filter={filter}
              onPublish={mayPublish ? () => setPublishing(true) : undefined}
            />
          )}
        </div>
        {id !== undefined && <EventDetails id={id} filter={filter} />}
      </div>
      <p class="unseen" id="said" role="status">
        {said}
      </p>
      {isPublishing && <PublishDialog stream={stream} onClose={() => setPublishing(false)} />}
    </section>
  )

  function keyAt(entry: ReturnType<typeof at>) {
    return entry && isGap(entry) ? `gap ${entry.position}` : (entry?.position ?? 0)
  }
  function hrefAt(entry: ReturnType<typeof at>) {
    return entry && !isGap(entry) ? feedHref(filter, entry.id) : undefined
  }
}

function rowOf(entry: Parameters<typeof EventRow>[0]['entry'] | undefined) {
  return entry && <EventRow entry={entry} />
}

/** The row of an event. Rows are in the order of positions, so it is not necessary to look at each of thousands. */
function indexOf(id: string, count: number, at: (index: number) => { position: number } | undefined): number {
  const position = Number.parseInt(id, 10)
  let [low, high] = [0, count - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = at(middle)?.position ?? 0
    if (found === position) return middle
    if (found > position) low = middle + 1
    else high = middle - 1
  }
  return -1
}
