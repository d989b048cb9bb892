/** Consumers: the cursors that the gateway keeps, with their lag and their holders; moving and deleting one. */
import { useState } from 'preact/hooks'
import type { ConsumerDocument } from '../../../../src/consumers/consumer-document.ts'
import { useEvery } from '../../api/use-every.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { Empty } from '../../pieces/empty.tsx'
import { Lag } from '../../pieces/lag.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { Selection } from '../../pieces/selection.tsx'
import { allows } from '../../session/principal.ts'
import { useSession } from '../../session/session.ts'
import { DeleteConsumer, SeekConsumer } from './consumer-forms.tsx'

interface ConsumerPage {
  readonly consumers: readonly ConsumerDocument[]
  readonly next_cursor: string | null
}

interface Form {
  readonly name: 'seek' | 'delete'
  readonly consumer: ConsumerDocument
}

const REFRESH_MS = 5_000

const COLUMNS = [
  { title: 'Consumer', cell: (consumer: ConsumerDocument) => <Name consumer={consumer} /> },
  { title: 'State', cell: (consumer: ConsumerDocument) => <State consumer={consumer} /> },
  { title: 'Stream', cell: (consumer: ConsumerDocument) => <Selection {...consumer} /> },
  { title: 'Behind', cell: ({ lag }: ConsumerDocument) => <Lag lag={lag} />, isNumber: true },
  {
    title: 'In flight',
    cell: ({ in_flight, max_in_flight }: ConsumerDocument) => `${in_flight} of ${max_in_flight}`,
    isNumber: true,
  },
  {
    title: 'Acknowledged',
    cell: ({ last_ack_at: at }: ConsumerDocument) => (at ? <Moment at={at} long /> : 'never'),
  },
]

export default function ConsumersPage() {
  const { principal } = useSession()
  const pages = usePages<ConsumerPage, ConsumerDocument>('api/consumers', {}, page => page.consumers)
  const [form, setForm] = useState<Form>()
  useEvery(REFRESH_MS, pages.reload)
  const close = () => setForm(undefined)
  const done = () => {
    close()
    pages.reload()
  }
  const actions = {
    title: 'Actions',
    cell: (consumer: ConsumerDocument) => (
      <Actions name={consumer.name} onChoose={name => setForm({ name, consumer })} />
    ),
  }
  return (
    <section>
      <PageHeading title="Consumers" />
      <PagedTable
        caption="Consumers"
        columns={allows(principal, 'editor') ? [...COLUMNS, actions] : COLUMNS}
        keyOf={({ name }) => name}
        pages={pages}
        empty={
          <Empty title="No consumers yet">
            <p>
              A consumer is a named cursor on a stream: the gateway remembers how far a service has come.
              <code class="command">sluice consumer put imports</code>
            </p>
          </Empty>
        }
      />
      {form?.name === 'seek' && <SeekConsumer consumer={form.consumer} onClose={close} onDone={done} />}
      {form?.name === 'delete' && <DeleteConsumer consumer={form.consumer} onClose={close} onDone={done} />}
    </section>
  )
}

function Name({ consumer: { name, description, cursor } }: { consumer: ConsumerDocument }) {
  return (
    <>
      {name}
      {description && <span class="hint block">{description}</span>}
      <span class="hint block">
        after <code>{cursor}</code>
      </span>
    </>
  )
}

function State({ consumer }: { consumer: ConsumerDocument }) {
  const { holder } = consumer
  return (
    <>
      <Badge {...stateOf(consumer)} />
      {holder && (
        <span class="hint block">
          by {holder.principal ?? 'a client'}, <Moment at={holder.since} long />
        </span>
      )}
    </>
  )
}

function stateOf({ lagging, holder }: ConsumerDocument): { readonly text: string; readonly tone: Tone } {
  if (lagging) return { text: 'lagging', tone: 'amber' }
  return holder ? { text: 'held', tone: 'green' } : { text: 'free', tone: 'muted' }
}

function Actions({ name, onChoose }: { name: string; onChoose: (form: Form['name']) => void }) {
  return (
    <div class="row">
      <button type="button" class="quiet" onClick={() => onChoose('seek')} aria-label={`Move ${name}`}>
        Move
      </button>
      <button type="button" class="quiet" onClick={() => onChoose('delete')} aria-label={`Delete ${name}`}>
        Delete
      </button>
    </div>
  )
}
