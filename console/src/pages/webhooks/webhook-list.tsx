/** All webhooks of the workspace with their health, read again every few seconds. */
import { useState } from 'preact/hooks'
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { useEvery } from '../../api/use-every.ts'
import { usePages } from '../../api/use-pages.ts'
import { Empty } from '../../pieces/empty.tsx'
import { FilterForm } from '../../pieces/filter-form.tsx'
import { Lag } from '../../pieces/lag.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { Selection } from '../../pieces/selection.tsx'
import { hrefOf } from '../../shell/route.ts'
import { CreateWebhook } from './create-webhook.tsx'
import { Health, nameOf, REFRESH_MS } from './webhook-health.tsx'
import { type NewSecret, WebhookSecret } from './webhook-secret.tsx'

interface WebhookPage {
  readonly webhooks: readonly WebhookDocument[]
  readonly next_cursor: string | null
}

const STATES = ['active', 'paused', 'disabled'] as const

const COLUMNS = [
  { title: 'Webhook', cell: (webhook: WebhookDocument) => <Name webhook={webhook} /> },
  { title: 'State', cell: (webhook: WebhookDocument) => <Health webhook={webhook} /> },
  { title: 'Stream', cell: (webhook: WebhookDocument) => <Selection {...webhook} /> },
  { title: 'Behind', cell: ({ lag }: WebhookDocument) => <Lag lag={lag} />, isNumber: true },
  {
    title: 'Dead letters',
    cell: ({ dead_letters }: WebhookDocument) => dead_letters.toLocaleString('en'),
    isNumber: true,
  },
  {
    title: 'Last success',
    cell: ({ last_success_at: at }: WebhookDocument) => (at ? <Moment at={at} long /> : 'never'),
  },
]

export function WebhookList({ query }: { query: URLSearchParams }) {
  const filter = { state: query.get('state') ?? '', stream: query.get('stream') ?? '' }
  const isFiltered = filter.state !== '' || filter.stream !== ''
  const pages = usePages<WebhookPage, WebhookDocument>('api/webhooks', filter, page => page.webhooks)
  const [isCreating, setCreating] = useState(false)
  const [made, setMade] = useState<NewSecret>()
  useEvery(REFRESH_MS, pages.reload)
  return (
    <section>
      <PageHeading title="Webhooks">
        <button type="button" onClick={() => setCreating(true)}>
          Create a webhook
        </button>
      </PageHeading>
      <FilterForm query={query} hrefFor={given => hrefOf('webhooks', [], given)}>
        <label>
          State
          <select name="state">
            <option value="">any</option>
            {STATES.map(state => (
              <option key={state} selected={state === filter.state}>
                {state}
              </option>
            ))}
          </select>
        </label>
        <label>
          Stream
          <input
            name="stream"
            defaultValue={filter.stream}
            placeholder="any"
            maxLength={132}
            spellcheck={false}
          />
        </label>
      </FilterForm>
      <PagedTable
        caption="Webhooks, newest first"
        columns={COLUMNS}
        keyOf={({ id }) => id}
        pages={pages}
        empty={
          isFiltered ? (
            <Empty title="No webhook is like that">
              <p>
                <a href={hrefOf('webhooks')}>Show all webhooks</a>
              </p>
            </Empty>
          ) : (
            <Empty title="No webhooks yet">
              <p>
                A webhook posts the events of a stream to a URL, signed and in order. To try your handler
                first:
                <code class="command">sluice webhook listen --forward URL</code>
              </p>
            </Empty>
          )
        }
      />
      {isCreating && (
        <CreateWebhook
          onClose={() => setCreating(false)}
          onMade={webhook => {
            setCreating(false)
            setMade(webhook)
            pages.reload()
          }}
        />
      )}
      {made && <WebhookSecret made={made} onClose={() => setMade(undefined)} />}
    </section>
  )
}

function Name({ webhook }: { webhook: WebhookDocument }) {
  const { id, url, description } = webhook
  return (
    <>
      <a href={hrefOf('webhooks', [id])}>{nameOf(webhook)}</a>
      {description && <span class="hint block">{url}</span>}
    </>
  )
}
