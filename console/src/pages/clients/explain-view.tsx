/** Why a client did, or did not, get an event: in words, with what each client's process knows. */
import type { ExplainedClient, Explanation } from '../../../../src/explain/explanation.ts'
import { useRequest } from '../../api/use-request.ts'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { Facts } from '../../pieces/facts.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { FilterForm } from '../../pieces/filter-form.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { Table } from '../../pieces/table.tsx'
import { hrefOf } from '../../shell/route.ts'

const FIELDS = ['event', 'stream', 'client', 'principal'] as const

export function ExplainView({ query }: { query: URLSearchParams }) {
  const given = Object.fromEntries(FIELDS.map(name => [name, query.get(name) ?? '']))
  return (
    <section>
      <p class="back">
        <a href={hrefOf('clients')}>All clients</a>
      </p>
      <PageHeading title="Explain an event" />
      <FilterForm
        query={query}
        hrefFor={given => hrefOf('clients', ['explain'], trimmed(given))}
        action="Explain"
        isMain
      >
        <label>
          Event id
          <input
            name="event"
            defaultValue={given.event ?? ''}
            placeholder="10532.k7f3qa"
            spellcheck={false}
            required
          />
        </label>
        <label>
          Stream
          <input name="stream" defaultValue={given.stream ?? ''} placeholder="feed" spellcheck={false} />
        </label>
        <label>
          Connection
          <input name="client" defaultValue={given.client ?? ''} placeholder="any" spellcheck={false} />
        </label>
        <label>
          Principal
          <input name="principal" defaultValue={given.principal ?? ''} placeholder="any" />
        </label>
      </FilterForm>
      {given.event ? (
        <Answer given={given} />
      ) : (
        <p class="hint">
          Enter the id of an event, as a client received it or as the feed shows it. Without a connection or a
          principal, the answer is about all clients of the stream.
        </p>
      )}
    </section>
  )
}

/** A value that was pasted may have spaces around it. */
function trimmed(given: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.trim()]))
}

function Answer({ given }: { given: Readonly<Record<string, string>> }) {
  const { data, failure, retryAt, reload } = useRequest<Explanation>(
    api => api.get('api/explain', { query: given }),
    [JSON.stringify(given)],
  )
  if (failure) return <Failure failure={failure} retryAt={retryAt} onRetry={reload} />
  if (!data) return <Loading what="the explanation" />
  const { event } = data
  return (
    <div class="stack">
      <section class="card panel" aria-labelledby="answer-title">
        <div class="heading">
          <h2 id="answer-title">Answer</h2>
          <Badge text={data.cause} tone={toneOf(data.cause)} />
          <button type="button" class="quiet" onClick={reload}>
            Ask again
          </button>
        </div>
        <p class="lead">{data.summary}</p>
        <Facts
          facts={[
            ['Event', <code key="id">{event.id}</code>],
            ['Type', event.type],
            ['Published by', event.actor],
            ['Published through', event.way],
            ['Trace', event.traceparent && <code key="trace">{event.traceparent}</code>],
            ['Time', event.at && <Moment key="at" at={event.at} long />],
            ['Read by a process', event.read_at && <Moment key="read" at={event.read_at} long />],
            ['Redacted', event.redacted_at && <Moment key="redacted" at={event.redacted_at} long />],
          ]}
        />
        {data.unknown.length > 0 && (
          <div>
            <h2>Unknown</h2>
            <ul class="unknown">
              {data.unknown.map(text => (
                <li key={text}>{text}</li>
              ))}
            </ul>
          </div>
        )}
      </section>
      {data.clients.length > 0 && (
        <Table
          caption="What became of it for each client"
          columns={COLUMNS}
          keyOf={keyOf}
          entries={data.clients}
        />
      )}
    </div>
  )
}

const keyOf = ({ connection }: ExplainedClient) => connection

const COLUMNS = [
  {
    title: 'Client',
    cell: ({ principal, address, connection }: ExplainedClient) => (
      <>
        {principal}
        <span class="hint block">{address ?? 'unknown address'}</span>
        <span class="hint block">
          <code>{connection}</code>
        </span>
      </>
    ),
  },
  {
    title: 'Cause',
    cell: ({ cause }: ExplainedClient) => <Badge text={cause} tone={toneOf(cause)} />,
    isShort: true,
  },
  { title: 'In words', cell: ({ explanation }: ExplainedClient) => explanation },
  {
    title: 'Connected',
    cell: ({ opened_at, closed_at, close_reason }: ExplainedClient) => (
      <>
        <Moment at={opened_at} long />
        <span class="hint block">
          {closed_at === null ? (
            'still'
          ) : (
            <>
              until <Moment at={closed_at} long />, {close_reason}
            </>
          )}
        </span>
      </>
    ),
  },
]

function toneOf(cause: string): Tone {
  if (cause === 'written') return 'green'
  return ['catching-up', 'backpressure', 'unacknowledged', 'not-read', 'written-redacted'].includes(cause)
    ? 'blue'
    : 'amber'
}
