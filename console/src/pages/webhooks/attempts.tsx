/** The attempts of a webhook, newest first, with a filter; one of them with its answer. */
import { useState } from 'preact/hooks'
import type { Attempt } from '../../../../src/webhooks/attempt-document.ts'
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { useEvery } from '../../api/use-every.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { Empty } from '../../pieces/empty.tsx'
import { FilterForm } from '../../pieces/filter-form.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { hrefOf } from '../../shell/route.ts'
import { AttemptDialog } from './attempt-dialog.tsx'
import { REFRESH_MS } from './webhook-health.tsx'

interface AttemptPage {
  readonly deliveries: readonly Attempt[]
  readonly next_cursor: string | null
}

const OUTCOMES = ['delivered', 'failed', 'dead'] as const
const TONES: Readonly<Record<string, Tone>> = { delivered: 'green', failed: 'amber', dead: 'red' }

export interface AttemptsProps {
  readonly webhook: WebhookDocument
  readonly path: string
  readonly query: URLSearchParams
  readonly onDone: () => void
}

export function Attempts({ webhook: { id, stream }, path, query, onDone }: AttemptsProps) {
  const filter = { outcome: query.get('outcome') ?? '', event: query.get('event') ?? '' }
  const pages = usePages<AttemptPage, Attempt>(`${path}/deliveries`, filter, page => page.deliveries)
  const [opened, setOpened] = useState<Attempt>()
  useEvery(REFRESH_MS, pages.reload)
  const columns = [
    { title: 'Time', cell: ({ at }: Attempt) => <Moment at={at} long /> },
    { title: 'Outcome', cell: (attempt: Attempt) => <Outcome attempt={attempt} /> },
    {
      title: 'Event',
      cell: ({ event_id, type }: Attempt) => (
        <>
          {type}
          {event_id && (
            <span class="hint block">
              <a href={hrefOf('feed', [event_id], { stream: stream === 'feed' ? undefined : stream })}>
                {event_id}
              </a>
            </span>
          )}
        </>
      ),
    },
    {
      title: 'Status',
      cell: ({ status, milliseconds }: Attempt) => (
        <>
          {status ?? '–'}
          {milliseconds !== null && <span class="hint block">{milliseconds} ms</span>}
        </>
      ),
      isNumber: true,
    },
    {
      title: 'Next attempt',
      cell: ({ next_try_at: at }: Attempt) => at && <Moment at={at} long />,
    },
    {
      title: 'Actions',
      cell: (attempt: Attempt) => (
        <button
          type="button"
          class="quiet"
          onClick={() => setOpened(attempt)}
          aria-label={`Details of attempt ${attempt.attempt} for ${attempt.event_id ?? attempt.type}`}
        >
          Details
        </button>
      ),
    },
  ]
  return (
    <section aria-labelledby="attempts-title">
      <div class="heading">
        <h2 id="attempts-title">Attempts</h2>
      </div>
      <FilterForm query={query} hrefFor={given => hrefOf('webhooks', [id], given)}>
        <label>
          Outcome
          <select name="outcome">
            <option value="">any</option>
            {OUTCOMES.map(outcome => (
              <option key={outcome} selected={outcome === filter.outcome}>
                {outcome}
              </option>
            ))}
          </select>
        </label>
        <label>
          Event id
          <input name="event" defaultValue={filter.event} placeholder="any" spellcheck={false} />
        </label>
      </FilterForm>
      <PagedTable
        caption="Attempts, newest first"
        columns={columns}
        keyOf={({ id: attempt }) => attempt}
        pages={pages}
        empty={
          filter.outcome || filter.event ? (
            <Empty title="No attempt is like that">
              <p>
                <a href={hrefOf('webhooks', [id])}>Show all attempts</a>
              </p>
            </Empty>
          ) : (
            <Empty title="No attempts yet">
              <p>
                An attempt is made as soon as there is an event for it. A test shows whether the receiver
                answers.
              </p>
            </Empty>
          )
        }
      />
      {opened && (
        <AttemptDialog
          title={`Attempt ${opened.attempt} for ${opened.type}`}
          attempt={opened}
          path={path}
          onClose={() => setOpened(undefined)}
          onDone={() => {
            setOpened(undefined)
            pages.reload()
            onDone()
          }}
        />
      )}
    </section>
  )
}

function Outcome({ attempt: { attempt, outcome, error, replay, test } }: { attempt: Attempt }) {
  return (
    <>
      <Badge text={outcome} tone={TONES[outcome] ?? 'muted'} />
      <span class="hint block">
        attempt {attempt}
        {replay && ' of a replay'}
        {test && ' of a test'}
      </span>
      {error && <span class="hint block">{error}</span>}
    </>
  )
}
