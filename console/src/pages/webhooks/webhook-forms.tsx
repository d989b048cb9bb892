/** The forms that change a webhook: its settings, its secret, a replay, its end. */
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { useApi } from '../../api/api.ts'
import { announce } from '../../pieces/announcements.tsx'
import { FormDialog, textIn, timeIn } from '../../pieces/form-dialog.tsx'
import { hrefOf, navigate } from '../../shell/route.ts'
import { SettingFields, settingsIn } from './setting-fields.tsx'
import { nameOf } from './webhook-health.tsx'
import type { NewSecret } from './webhook-secret.tsx'

export interface WebhookFormProps {
  readonly webhook: WebhookDocument
  /** `api/webhooks/…` */
  readonly path: string
  readonly onClose: () => void
}

type Changing = WebhookFormProps & { readonly onDone: () => void }

export function ChangeSettings({ webhook, path, onClose, onDone }: Changing) {
  const api = useApi()
  return (
    <FormDialog
      title="Settings of the webhook"
      action="Save"
      onClose={onClose}
      onSubmit={async form => {
        await api.send('PATCH', path, settingsIn(form))
        announce('The settings of the webhook were changed.')
        onDone()
      }}
    >
      <SettingFields webhook={webhook} />
    </FormDialog>
  )
}

export function RotateSecret({
  webhook,
  path,
  onClose,
  onMade,
}: WebhookFormProps & { onMade: (made: NewSecret) => void }) {
  const api = useApi()
  return (
    <FormDialog
      title={`Rotate the secret of ${nameOf(webhook)}`}
      action="Make the new secret"
      onClose={onClose}
      onSubmit={async () => {
        const { secret } = await api.send<NewSecret>('POST', `${path}/rotate-secret`)
        onMade({ secret, replaces: true })
      }}
    >
      <p>
        For 24 hours both secrets sign each request, so the receiver can change to the new one without losing
        a delivery. Then only the new one signs.
      </p>
    </FormDialog>
  )
}

export function Replay({ webhook, path, onClose, onDone }: Changing) {
  const api = useApi()
  return (
    <FormDialog
      title={`Replay to ${nameOf(webhook)}`}
      action="Deliver them again"
      onClose={onClose}
      onSubmit={async form => {
        const to = placeIn(form, 'to')
        const from = placeIn(form, 'from') ?? 'beginning'
        await api.send('POST', `${path}/replay`, { from, ...(to && { to }) })
        announce('The replay begins.')
        onDone()
      }}
    >
      <p>
        Past events are delivered again, in order. A receiver recognises them by their <code>webhook-id</code>
        , which is the same as the first time.
      </p>
      <Place name="from" title="From" empty="the oldest event that the stream has" />
      <Place name="to" title="To" empty="the last one that was delivered" />
    </FormDialog>
  )
}

/** A time, or an event id. */
function Place({ name, title, empty }: { name: string; title: string; empty: string }) {
  return (
    <>
      <label>
        {title} this time (empty: {empty})
        <input name={name} type="datetime-local" step={1} />
      </label>
      <label>
        or this event id
        <input name={`${name}_event`} placeholder="10532.k7f3qa" spellcheck={false} />
      </label>
    </>
  )
}

function placeIn(form: FormData, name: string): string | undefined {
  return textIn(form, `${name}_event`) || timeIn(form, name)
}

export function DeleteWebhook({ webhook, path, onClose }: WebhookFormProps) {
  const api = useApi()
  return (
    <FormDialog
      title={`Delete ${nameOf(webhook)}`}
      action="Delete the webhook"
      isDangerous
      onClose={onClose}
      onSubmit={async () => {
        await api.send('DELETE', path)
        announce('The webhook was deleted.')
        onClose()
        navigate(hrefOf('webhooks'))
      }}
    >
      <p>
        {webhook.url} gets no further event. Its place in the stream, its secrets, and the record of its
        deliveries with its dead letters are deleted for good. To stop it for a while, pause it.
      </p>
    </FormDialog>
  )
}
