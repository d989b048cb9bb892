/** One event, with all that the gateway knows of it. */
import { useRequest } from '../../api/use-request.ts'
import { Badge } from '../../pieces/badge.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { JsonTree } from '../../pieces/json-tree.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import type { StreamEvent } from '../../stream/stream-client.ts'
import { toneOf } from './sentence.ts'

export interface EventDetailsProps {
  readonly id: string
  readonly backHref: string
}

export function EventDetails({ id, backHref }: EventDetailsProps) {
  const path = `api/events/${encodeURIComponent(id)}`
  const { data: event, failure, retryAt, reload } = useRequest<StreamEvent>(api => api.get(path), [path])
  return (
    <aside class="card details" aria-label={`Event ${id}`}>
      <div class="heading">
        <h2>Event {id}</h2>
        <a href={backHref}>Close</a>
      </div>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!event && !failure && <Loading what="the event" />}
      {event && (
        <>
          <dl>
            <dt>Type</dt>
            <dd>
              <Badge text={event.type} tone={toneOf(event.type)} />
            </dd>
            <dt>Position</dt>
            <dd>{event.position}</dd>
            <dt>Committed</dt>
            <dd>
              <Moment at={event.at} long />
            </dd>
          </dl>
          <JsonTree value={event.data} />
        </>
      )}
    </aside>
  )
}
