/** The form that revokes credentials. */
import { useState } from 'preact/hooks'
import { useApi } from '../../api/api.ts'
import { announce } from '../../pieces/announcements.tsx'
import { FormDialog, textIn, timeIn } from '../../pieces/form-dialog.tsx'
import { useSession } from '../../session/session.ts'

const KINDS = {
  subject: {
    title: 'A principal: all of its credentials',
    label: 'Id of the principal, the `sub` of its tokens',
  },
  token_id: { title: 'One token, or one API key', label: 'The `jti` of the token, or the id of the key' },
  workspace: {
    title: 'Everybody in this workspace, you too',
    label: 'Type the name of the workspace to confirm',
  },
} as const
type Kind = keyof typeof KINDS

export function CreateRevocation({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const api = useApi()
  const { principal } = useSession()
  const [kind, setKind] = useState<Kind>('subject')
  return (
    <FormDialog
      title="Revoke credentials"
      action="Revoke"
      isDangerous
      onClose={onClose}
      onSubmit={async form => {
        const value = textIn(form, 'value')
        if (kind === 'workspace' && value !== principal.workspace) {
          throw new Error(`This workspace is ${principal.workspace}. Nothing was revoked.`)
        }
        const expires_at = timeIn(form, 'expires_at')
        const reason = textIn(form, 'reason')
        await api.send('POST', 'api/revocations', {
          [kind]: value,
          ...(reason !== '' && { reason }),
          ...(expires_at && { expires_at }),
        })
        announce('The credentials are revoked.')
        onDone()
      }}
    >
      <p class="hint">
        Credentials that were issued until now are refused, and their open streams end. A new login gets
        accepted credentials.
      </p>
      <label>
        Which
        <select name="kind" value={kind} onChange={event => setKind(kindIn(event.currentTarget.value))}>
          {Object.entries(KINDS).map(([name, { title }]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      {kind === 'workspace' && (
        <p class="notice">
          This refuses every token and key of the workspace, also the ones that you use here.
        </p>
      )}
      <label>
        {KINDS[kind].label.replaceAll('`', '')}
        <input name="value" maxLength={256} autocomplete="off" spellcheck={false} required />
      </label>
      <label>
        Reason, for people
        <input name="reason" maxLength={1_000} />
      </label>
      <label>
        Ends (empty: when it is removed)
        <input name="expires_at" type="datetime-local" />
      </label>
    </FormDialog>
  )
}

function kindIn(value: string): Kind {
  return value === 'token_id' || value === 'workspace' ? value : 'subject'
}
