/** Revocations: credentials that are refused before they expire. */
import { useState } from 'preact/hooks'
import type { Revocation } from '../../../../src/auth/revocations/revocation.ts'
import { useApi } from '../../api/api.ts'
import { usePages } from '../../api/use-pages.ts'
import { announce } from '../../pieces/announcements.tsx'
import { Empty } from '../../pieces/empty.tsx'
import { FormDialog } from '../../pieces/form-dialog.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { CreateRevocation } from './create-revocation.tsx'

interface RevocationPage {
  readonly revocations: readonly Revocation[]
  readonly next_cursor: string | null
}

export default function RevocationsPage() {
  const pages = usePages<RevocationPage, Revocation>('api/revocations', {}, page => page.revocations)
  const [isCreating, setCreating] = useState(false)
  const [removed, setRemoved] = useState<Revocation>()
  const columns = [
    { title: 'Refused', cell: coveredBy },
    { title: 'Issued until', cell: ({ at }: Revocation) => <Moment at={at} long /> },
    { title: 'By', cell: ({ by }: Revocation) => by },
    { title: 'Reason', cell: ({ reason }: Revocation) => reason ?? '–' },
    {
      title: 'Ends',
      cell: ({ expires_at: at }: Revocation) => (at ? <Moment at={at} long /> : 'when it is removed'),
    },
    {
      title: 'Actions',
      cell: (revocation: Revocation) => (
        <button
          type="button"
          class="quiet"
          onClick={() => setRemoved(revocation)}
          aria-label={`Remove the revocation of ${coveredBy(revocation)}`}
        >
          Remove
        </button>
      ),
    },
  ]
  return (
    <section>
      <PageHeading title="Revocations">
        <button type="button" onClick={() => setCreating(true)}>
          Revoke credentials
        </button>
      </PageHeading>
      <PagedTable
        caption="Revocations, newest first"
        columns={columns}
        keyOf={({ id }) => id}
        pages={pages}
        empty={
          <Empty title="Nothing is revoked">
            <p>Revoke credentials that were lost or stolen: they are refused on all gateways within 5 s.</p>
          </Empty>
        }
      />
      {isCreating && (
        <CreateRevocation
          onClose={() => setCreating(false)}
          onDone={() => {
            setCreating(false)
            pages.reload()
          }}
        />
      )}
      {removed && (
        <RemoveRevocation
          revocation={removed}
          onClose={() => setRemoved(undefined)}
          onDone={() => {
            setRemoved(undefined)
            pages.reload()
          }}
        />
      )}
    </section>
  )
}

function coveredBy({ subject, token_id, workspace }: Revocation): string {
  if (subject !== null) return `Principal ${subject}`
  return token_id === null ? `Everybody in ${workspace}` : `Token or key ${token_id}`
}

interface RemoveProps {
  readonly revocation: Revocation
  readonly onClose: () => void
  readonly onDone: () => void
}

function RemoveRevocation({ revocation, onClose, onDone }: RemoveProps) {
  const api = useApi()
  return (
    <FormDialog
      title="Remove the revocation"
      action="Remove"
      isDangerous
      onClose={onClose}
      onSubmit={async () => {
        await api.send('DELETE', `api/revocations/${revocation.id}`)
        announce('The revocation was removed.')
        onDone()
      }}
    >
      <p>
        {coveredBy(revocation)}: credentials that only this revocation refuses work again, unless they have
        expired.
      </p>
    </FormDialog>
  )
}
