/** The audit log: who changed what, from where, and which credentials were refused. */
import { useState } from 'preact/hooks'
import type { Action } from '../../../../src/audit/audit.ts'
import type { AuditEntryDocument } from '../../../../src/audit/entries.ts'
import { useApi } from '../../api/api.ts'
import { asProblem, type ProblemError } from '../../api/problem.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { Empty } from '../../pieces/empty.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { FilterForm } from '../../pieces/filter-form.tsx'
import { JsonTree } from '../../pieces/json-tree.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { saveFile } from '../../pieces/save-file.ts'
import { hrefOf, type PageProps } from '../../shell/route.ts'

interface AuditPage {
  readonly entries: readonly AuditEntryDocument[]
  readonly next_cursor: string | null
}

/** Suggestions: every action that the gateway records, or this does not compile. */
const ACTIONS = Object.keys({
  'authentication.failed': 0,
  'client.ended': 0,

  'consumer.created': 0,
  'consumer.changed': 0,
  'consumer.sought': 0,
  'consumer.deleted': 0,
  'consumer.lagging': 0,
  'webhook.created': 0,
  'webhook.changed': 0,
  'webhook.deleted': 0,
  'webhook.tested': 0,
  'webhook.paused': 0,
  'webhook.resumed': 0,
  'webhook.disabled': 0,
  'webhook.secret-rotated': 0,
  'webhook.replayed': 0,
  'webhook.replay-stopped': 0,
  'webhook.retried': 0,
  'command.started': 0,
  'command.ended': 0,
  'command.cancelled': 0,
  'event.redacted': 0,
  'key.created': 0,
  'key.imported': 0,
  'key.changed': 0,
  'key.rotated': 0,
  'key.revoked': 0,
  'project.declared': 0,
  'project.changed': 0,
  'project.deleted': 0,
  'revocation.created': 0,
  'revocation.removed': 0,
  'server-state.changed': 0,
  'stream.created': 0,
  'stream.configured': 0,
  'stream.closed': 0,
  'stream.deleted': 0,
  'subscription.created': 0,
  'subscription.changed': 0,
  'subscription.deleted': 0,
  'workspace.configured': 0,
  'workspace.exported': 0,
  'workspace.deleted': 0,
} satisfies Readonly<Record<Action, 0>>)

const FIELDS = ['action', 'principal', 'since', 'before'] as const

export default function AuditPageView({ route }: PageProps) {
  const given = Object.fromEntries(FIELDS.map(name => [name, route.query.get(name) ?? '']))
  const filter = { ...given, since: timeOf(given.since), before: timeOf(given.before) }
  const pages = usePages<AuditPage, AuditEntryDocument>('api/audit', filter, page => page.entries)
  return (
    <section>
      <PageHeading title="Audit log">
        <button type="button" class="quiet" onClick={pages.reload}>
          Read again
        </button>
        <Export filter={filter} />
      </PageHeading>
      <FilterForm query={route.query} hrefFor={given => hrefOf('audit', [], given)}>
        <label>
          Action
          <input name="action" defaultValue={given.action ?? ''} list="actions" placeholder="any" />
          <datalist id="actions">
            {ACTIONS.map(action => (
              <option key={action}>{action}</option>
            ))}
          </datalist>
        </label>
        <label>
          Principal
          <input name="principal" defaultValue={given.principal ?? ''} placeholder="any" maxLength={256} />
        </label>
        <label>
          From
          <input name="since" type="datetime-local" defaultValue={given.since ?? ''} />
        </label>
        <label>
          Before
          <input name="before" type="datetime-local" defaultValue={given.before ?? ''} />
        </label>
      </FilterForm>
      <PagedTable
        caption="Audit log, newest entry first"
        columns={COLUMNS}
        keyOf={({ id }) => id}
        pages={pages}
        empty={<NoEntries isFiltered={FIELDS.some(name => given[name])} />}
      />
    </section>
  )
}

function NoEntries({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No entry is like that">
        <p>
          Choose another filter, or <a href={hrefOf('audit')}>show all entries</a>.
        </p>
      </Empty>
    )
  }
  return (
    <Empty title="No entries yet">
      <p>Changes of keys, webhooks, consumers and streams appear here, and credentials that were refused.</p>
    </Empty>
  )
}

const COLUMNS = [
  { title: 'Time', cell: ({ at }: AuditEntryDocument) => <Moment at={at} long /> },
  {
    title: 'Action',
    cell: ({ action }: AuditEntryDocument) => <Badge text={action} tone={toneOf(action)} />,
  },
  { title: 'Principal', cell: ({ principal }: AuditEntryDocument) => principal ?? '–' },
  { title: 'Address', cell: ({ address }: AuditEntryDocument) => address ?? 'command line' },
  {
    title: 'Details',
    cell: ({ details, request_id }: AuditEntryDocument) => (
      <>
        <JsonTree value={details} open={0} />
        {request_id && (
          <span class="hint block">
            Request <code>{request_id}</code>
          </span>
        )}
      </>
    ),
  },
]

function toneOf(action: string): Tone {
  if (/failed|deleted|revoked|redacted|revocation\.created/.test(action)) return 'red'
  return /created|declared|started|imported/.test(action) ? 'green' : 'blue'
}

/** The field holds local time. */
function timeOf(text: string | undefined): string {
  const time = text ? new Date(text) : undefined
  return time && !Number.isNaN(time.getTime()) ? time.toISOString() : ''
}

function Export({ filter }: { filter: Readonly<Record<string, string>> }) {
  const api = useApi()
  const [isSaving, setSaving] = useState(false)
  const [failure, setFailure] = useState<ProblemError>()
  const save = async () => {
    setSaving(true)
    setFailure(undefined)
    try {
      const response = await api.request('api/audit', {
        query: filter,
        headers: { accept: 'application/x-ndjson' },
      })
      // A response that was cut off rejects: what is saved is complete.
      saveFile(await response.blob(), 'audit.ndjson')
    } catch (error) {
      setFailure(asProblem(error))
    } finally {
      setSaving(false)
    }
  }
  return (
    <>
      <button
        type="button"
        class="quiet"
        disabled={isSaving}
        onClick={() => void save()}
        title="One JSON document a line"
      >
        Export what matches
      </button>
      {failure && <Failure failure={failure} onRetry={() => void save()} />}
    </>
  )
}
