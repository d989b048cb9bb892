/** API keys: what programs may do here, and since when. */
import { useState } from 'preact/hooks'
import type { ApiKey, CreatedApiKey } from '../../../../src/auth/api-keys/api-key.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { Empty } from '../../pieces/empty.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { SecretDialog } from '../../pieces/secret-dialog.tsx'
import { CreateKey } from './create-key.tsx'
import { GrantsOf } from './grants.tsx'
import { ChangeGrants, RevokeKey, RotateKey } from './key-forms.tsx'

interface KeyPage {
  readonly keys: readonly ApiKey[]
  readonly next_cursor: string | null
}

type Form =
  | { readonly name: 'create' }
  | { readonly name: 'grants' | 'rotate' | 'revoke'; readonly apiKey: ApiKey }
  | { readonly name: 'secret'; readonly made: CreatedApiKey }

export default function KeysPage() {
  const pages = usePages<KeyPage, ApiKey>('api/keys', {}, page => page.keys)
  const [form, setForm] = useState<Form>()
  const close = () => setForm(undefined)
  const made = (key: CreatedApiKey) => {
    setForm({ name: 'secret', made: key })
    pages.reload()
  }
  const changed = () => {
    close()
    pages.reload()
  }
  const columns = [
    { title: 'Name', cell: (key: ApiKey) => <KeyName apiKey={key} /> },
    { title: 'Role', cell: ({ role }: ApiKey) => role, isShort: true },
    { title: 'State', cell: (key: ApiKey) => <KeyState apiKey={key} /> },
    { title: 'Grants', cell: ({ grants }: ApiKey) => <GrantsOf grants={grants} /> },
    { title: 'Last used', cell: ({ last_used_at: at }: ApiKey) => (at ? <Moment at={at} long /> : 'never') },
    {
      title: 'Actions',
      cell: (apiKey: ApiKey) =>
        stateOf(apiKey).works && <Actions apiKey={apiKey} onChoose={name => setForm({ name, apiKey })} />,
    },
  ]
  return (
    <section>
      <PageHeading title="API keys">
        <button type="button" onClick={() => setForm({ name: 'create' })}>
          Create a key
        </button>
      </PageHeading>
      <PagedTable
        caption="API keys, newest first"
        columns={columns}
        keyOf={({ id }) => id}
        pages={pages}
        empty={
          <Empty title="No API keys yet">
            <p>A key is for a program. People and pages use tokens, which expire by themselves.</p>
          </Empty>
        }
      />
      {form?.name === 'create' && <CreateKey onClose={close} onMade={made} />}
      {form?.name === 'grants' && <ChangeGrants apiKey={form.apiKey} onClose={close} onDone={changed} />}
      {form?.name === 'rotate' && <RotateKey apiKey={form.apiKey} onClose={close} onMade={made} />}
      {form?.name === 'revoke' && <RevokeKey apiKey={form.apiKey} onClose={close} onDone={changed} />}
      {form?.name === 'secret' && (
        <SecretDialog
          title={`The key ${form.made.name}`}
          secret={form.made.key}
          copied="The key was copied."
          onClose={close}
        >
          Store it now, where the program finds it. The gateway keeps only a hash, and cannot show it again.
        </SecretDialog>
      )}
    </section>
  )
}

function KeyName({ apiKey: { id, prefix, name, created_by, created_at } }: { apiKey: ApiKey }) {
  return (
    <>
      {name}
      <span class="hint block">
        <code>{prefix === null ? `slk_${id}_…` : `${prefix}…`}</code>, by {created_by},{' '}
        <Moment at={created_at} long />
      </span>
    </>
  )
}

function KeyState({ apiKey }: { apiKey: ApiKey }) {
  const { text, tone, works } = stateOf(apiKey)
  const { expires_at, allowed_ips, replaced_by } = apiKey
  return (
    <>
      <Badge text={text} tone={tone} />
      {works && expires_at !== null && (
        <span class="hint block">
          until <Moment at={expires_at} long />
        </span>
      )}
      {replaced_by !== null && (
        <span class="hint block">
          replaced by <code>{replaced_by}</code>
        </span>
      )}
      {allowed_ips !== null && <span class="hint block">from {allowed_ips.join(', ')}</span>}
    </>
  )
}

function stateOf({ revoked_at, expires_at, replaced_by }: ApiKey): {
  text: string
  tone: Tone
  works: boolean
} {
  const now = Date.now()
  if (revoked_at !== null && Date.parse(revoked_at) <= now)
    return { text: 'revoked', tone: 'red', works: false }
  if (expires_at !== null && Date.parse(expires_at) <= now)
    return { text: 'expired', tone: 'muted', works: false }
  if (replaced_by !== null) return { text: 'being replaced', tone: 'amber', works: true }
  return { text: 'works', tone: 'green', works: true }
}

interface ActionsProps {
  readonly apiKey: ApiKey
  readonly onChoose: (name: 'grants' | 'rotate' | 'revoke') => void
}

function Actions({ apiKey: { name, replaced_by }, onChoose }: ActionsProps) {
  return (
    <div class="row">
      <button
        type="button"
        class="quiet"
        onClick={() => onChoose('grants')}
        aria-label={`Change the grants of ${name}`}
      >
        Grants
      </button>
      {replaced_by === null && (
        <button type="button" class="quiet" onClick={() => onChoose('rotate')} aria-label={`Rotate ${name}`}>
          Rotate
        </button>
      )}
      <button type="button" class="quiet" onClick={() => onChoose('revoke')} aria-label={`Revoke ${name}`}>
        Revoke
      </button>
    </div>
  )
}
