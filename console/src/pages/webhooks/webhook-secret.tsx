/** The secret of a webhook that was created, or its new one. */
import { SecretDialog } from '../../pieces/secret-dialog.tsx'

export interface NewSecret {
  readonly secret: string
  /** When the secret before it stops to sign; undefined: there is none. */
  readonly replaces?: boolean
}

export function WebhookSecret({ made, onClose }: { made: NewSecret; onClose: () => void }) {
  return (
    <SecretDialog
      title={made.replaces ? 'The new secret' : 'The secret of the webhook'}
      secret={made.secret}
      copied="The secret was copied."
      onClose={onClose}
    >
      Give it to the receiver now: it verifies the signature of each request with it.{' '}
      {made.replaces && 'For 24 hours the old secret signs too. '}
      The gateway does not show it again.
    </SecretDialog>
  )
}
