/** The forms that change an API key: its grants, its rotation, its end. */
import type { ApiKey, CreatedApiKey } from '../../../../src/auth/api-keys/api-key.ts'
import { useApi } from '../../api/api.ts'
import { announce } from '../../pieces/announcements.tsx'
import { FormDialog, textIn } from '../../pieces/form-dialog.tsx'
import { GrantFields, grantsIn } from './grants.tsx'

export interface KeyFormProps {
  readonly apiKey: ApiKey
  readonly onClose: () => void
}

export function ChangeGrants({ apiKey, onClose, onDone }: KeyFormProps & { onDone: () => void }) {
  const api = useApi()
  return (
    <FormDialog
      title={`Grants of ${apiKey.name}`}
      action="Save"
      onClose={onClose}
      onSubmit={async form => {
        await api.send('PATCH', `api/keys/${apiKey.id}`, { grants: grantsIn(form) })
        announce(`The grants of ${apiKey.name} were changed.`)
        onDone()
      }}
    >
      <p class="hint">Requests and open streams of the key follow within 5 s.</p>
      <GrantFields grants={apiKey.grants} />
    </FormDialog>
  )
}

export function RotateKey({
  apiKey,
  onClose,
  onMade,
}: KeyFormProps & { onMade: (key: CreatedApiKey) => void }) {
  const api = useApi()
  return (
    <FormDialog
      title={`Rotate ${apiKey.name}`}
      action="Make the new key"
      onClose={onClose}
      onSubmit={async form => {
        const overlap = Number(textIn(form, 'overlap'))
        onMade(await api.send<CreatedApiKey>('POST', `api/keys/${apiKey.id}/rotate`, { overlap }))
      }}
    >
      <p>A new key with the same rights replaces this one. Give it to the program before the old one ends.</p>
      <label>
        The old key works for
        <select name="overlap">
          <option value={86_400}>another day</option>
          <option value={3_600}>another hour</option>
          <option value={7 * 86_400}>another week</option>
          <option value={30 * 86_400}>another 30 days</option>
          <option value={0}>no longer: it ends at once</option>
        </select>
      </label>
    </FormDialog>
  )
}

export function RevokeKey({ apiKey, onClose, onDone }: KeyFormProps & { onDone: () => void }) {
  const api = useApi()
  return (
    <FormDialog
      title={`Revoke ${apiKey.name}`}
      action="Revoke the key"
      isDangerous
      onClose={onClose}
      onSubmit={async () => {
        await api.send('DELETE', `api/keys/${apiKey.id}`)
        announce(`${apiKey.name} was revoked.`)
        onDone()
      }}
    >
      <p>
        The key and its open streams end on all gateways within 5 s, for good. A program that still uses it
        gets 401.
      </p>
    </FormDialog>
  )
}
