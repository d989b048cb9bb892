/** One event, with all that the gateway knows of it. Beside the list; on a phone, in its place. */
import { useEffect, useRef } from 'preact/hooks'
import { useRequest } from '../../api/use-request.ts'
import { Badge } from '../../pieces/badge.tsx'
import { CopyButton } from '../../pieces/copy-button.tsx'
import { exactText, parseExact } from '../../pieces/exact-json.ts'
import { Failure } from '../../pieces/failure.tsx'
import { JsonTree } from '../../pieces/json-tree.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { useSession } from '../../session/session.ts'
import { navigate } from '../../shell/route.ts'
import type { StreamEvent } from '../../stream/stream-client.ts'
import { addressOf, publishCommand } from './curl.ts'
import { type Filter, feedHref } from './filter.ts'
import { askPublishers, mayKnowPublishers } from './publishers.ts'
import { toneOf } from './sentence.ts'

export interface EventDetailsProps {
  readonly id: string
  readonly filter: Filter
}

export function EventDetails({ id, filter }: EventDetailsProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  const query = { stream: filter.stream }
  const {
    data: event,
    failure,
    retryAt,
    reload,
  } = useRequest<StreamEvent>(
    async (api, signal) => {
      const response = await api.request(`api/events/${encodeURIComponent(id)}`, { query, signal })
      const line = await response.text()
      return { ...JSON.parse(line), line }
    },
    [id, filter.stream],
  )
  useEffect(() => heading.current?.focus({ preventScroll: true }), [id])
  const close = () => {
    navigate(feedHref(filter))
    // Back to the row that was opened, or to the list.
    document.querySelector<HTMLElement>('.row-link[aria-current], .row-link[tabindex="0"]')?.focus()
  }
  return (
    <aside
      class="card details"
      aria-labelledby="event-heading"
      onKeyDown={pressed => {
        if (pressed.key === 'Escape') close()
      }}
    >
      <div class="heading">
        <h2 ref={heading} id="event-heading" tabIndex={-1}>
          {event ? `Event #${event.position}` : `Event ${id}`}
        </h2>
        <button type="button" class="quiet" onClick={close}>
          Close
        </button>
      </div>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!event && !failure && <Loading what="the event" />}
      {event && <Facts event={event} filter={filter} />}
    </aside>
  )
}

/** Who published the event and how, which the gateway tells admins of the workspace only. */
function Publisher({ id, stream }: { id: string; stream: string }) {
  const { data } = useRequest(api => askPublishers(api, stream, [id]), [id, stream])
  const { actor, way } = data?.[0] ?? {}
  return (
    <>
      <dt>Published by</dt>
      <dd>
        {actor ?? <span class="hint">{data ? 'not recorded' : '…'}</span>}
        {way && <span class="hint"> by {way}</span>}
      </dd>
    </>
  )
}

function Facts({ event, filter }: { event: StreamEvent; filter: Filter }) {
  const { principal } = useSession()
  const { id, position, type, at, event_id, traceparent, line } = event
  const data = Reflect.get(Object(parseExact(line)), 'data')
  return (
    <>
      <dl>
        <dt>Type</dt>
        <dd>
          <Badge text={type} tone={toneOf(type)} />
        </dd>
        <dt>Committed</dt>
        <dd>
          <Moment at={at} long />
        </dd>
        <dt>Event id</dt>
        <dd>
          <code>{id}</code>
        </dd>
        <dt>Position</dt>
        <dd>
          {position} of <code>{filter.stream}</code>
        </dd>
        <dt>UUID</dt>
        <dd>
          <code>{event_id}</code>
        </dd>
        {mayKnowPublishers(principal) && <Publisher id={id} stream={filter.stream} />}
        <dt>Trace</dt>
        <dd>{traceparent ? <code>{traceparent}</code> : <span class="hint">none</span>}</dd>
      </dl>
      <h3>Data</h3>
      <JsonTree value={data} />
      <div class="row">
        <CopyButton text={exactText(data, 2)}>Copy the data</CopyButton>
        <CopyButton text={publishCommand(filter.stream, type, data)} done="The command is copied.">
          Copy as curl
        </CopyButton>
        <CopyButton
          text={addressOf('') + feedHref({ ...filter, at: id, text: '' }, id)}
          done="The link is copied."
        >
          Copy the link
        </CopyButton>
      </div>
    </>
  )
}
