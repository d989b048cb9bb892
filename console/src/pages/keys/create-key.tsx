/** The form that creates an API key. */
import type { CreatedApiKey } from '../../../../src/auth/api-keys/api-key.ts'
import { useApi } from '../../api/api.ts'
import { FormDialog, linesIn, textIn, timeIn } from '../../pieces/form-dialog.tsx'
import type { Role } from '../../session/principal.ts'
import { GrantFields, grantsIn } from './grants.tsx'

export interface CreateKeyProps {
  readonly onClose: () => void
  readonly onMade: (key: CreatedApiKey) => void
}

const ROLES: Readonly<Record<Role, string>> = {
  viewer: 'viewer: reads',
  editor: 'editor: reads and writes',
  admin: 'admin: manages access as well',
  runner: 'runner: executes jobs',
}

export function CreateKey({ onClose, onMade }: CreateKeyProps) {
  const api = useApi()
  return (
    <FormDialog
      title="Create a key"
      action="Create"
      onClose={onClose}
      onSubmit={async form => {
        const expires_at = timeIn(form, 'expires_at')
        const allowed_ips = linesIn(form, 'allowed_ips')
        onMade(
          await api.send<CreatedApiKey>('POST', 'api/keys', {
            name: textIn(form, 'name'),
            role: textIn(form, 'role'),
            grants: grantsIn(form),
            ...(expires_at && { expires_at }),
            ...(allowed_ips.length > 0 && { allowed_ips }),
          }),
        )
      }}
    >
      <label>
        What it is for
        <input name="name" maxLength={128} placeholder="nightly import" required />
      </label>
      <label>
        Role
        <select name="role">
          {Object.entries(ROLES).map(([role, text]) => (
            <option key={role} value={role}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        Expires (empty: never)
        <input name="expires_at" type="datetime-local" />
      </label>
      <label>
        Only from these addresses, one a line (empty: any)
        <textarea name="allowed_ips" rows={2} spellcheck={false} placeholder="203.0.113.0/24" />
      </label>
      <GrantFields grants={null} />
    </FormDialog>
  )
}
