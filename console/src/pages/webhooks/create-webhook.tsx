/** The form that creates a webhook. */
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { useApi } from '../../api/api.ts'
import { FormDialog, textIn } from '../../pieces/form-dialog.tsx'
import { SettingFields, settingsIn } from './setting-fields.tsx'
import type { NewSecret } from './webhook-secret.tsx'

export interface CreateWebhookProps {
  readonly onClose: () => void
  readonly onMade: (webhook: NewSecret) => void
}

export function CreateWebhook({ onClose, onMade }: CreateWebhookProps) {
  const api = useApi()
  return (
    <FormDialog
      title="Create a webhook"
      action="Create"
      onClose={onClose}
      onSubmit={async form => {
        const stream = textIn(form, 'stream')
        onMade(
          await api.send<WebhookDocument & NewSecret>('POST', 'api/webhooks', {
            ...settingsIn(form),
            ...(stream && { stream }),
            start: textIn(form, 'start'),
          }),
        )
      }}
    >
      <SettingFields />
      <label>
        Stream (empty: feed)
        <input name="stream" maxLength={132} placeholder="feed" spellcheck={false} />
      </label>
      <label>
        It begins with
        <select name="start">
          <option value="now">the next event</option>
          <option value="beginning">the oldest event that the stream has</option>
        </select>
      </label>
    </FormDialog>
  )
}
