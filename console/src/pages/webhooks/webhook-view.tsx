/** One webhook: its health, its settings, its attempts, and the actions of an admin. */
import { useState } from 'preact/hooks'
import type { Attempt } from '../../../../src/webhooks/attempt-document.ts'
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { useEvery } from '../../api/use-every.ts'
import { useRequest } from '../../api/use-request.ts'
import { Failure } from '../../pieces/failure.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { MoreMenu } from '../../pieces/more-menu.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { hrefOf } from '../../shell/route.ts'
import { AttemptDialog } from './attempt-dialog.tsx'
import { Attempts } from './attempts.tsx'
import { WebhookActions } from './webhook-actions.tsx'
import { HealthFacts, SettingFacts } from './webhook-facts.tsx'
import { ChangeSettings, DeleteWebhook, Replay, RotateSecret } from './webhook-forms.tsx'
import { nameOf, REFRESH_MS } from './webhook-health.tsx'
import { type NewSecret, WebhookSecret } from './webhook-secret.tsx'

type Form =
  | { readonly name: 'settings' | 'rotate' | 'replay' | 'delete' }
  | { readonly name: 'secret'; readonly made: NewSecret }
  | { readonly name: 'tested'; readonly attempt: Attempt }

export function WebhookView({ id, query }: { id: string; query: URLSearchParams }) {
  const path = `api/webhooks/${encodeURIComponent(id)}`
  const requested = useRequest<WebhookDocument>(api => api.get(path), [path])
  const { data: webhook, failure, retryAt, reload } = requested
  const [form, setForm] = useState<Form>()
  useEvery(REFRESH_MS, reload)
  const close = () => setForm(undefined)
  const done = () => {
    close()
    reload()
  }
  return (
    <section>
      <p class="back">
        <a href={hrefOf('webhooks')}>All webhooks</a>
      </p>
      <PageHeading title={webhook ? nameOf(webhook) : 'Webhook'}>
        {webhook && (
          <div class="row">
            <WebhookActions
              webhook={webhook}
              path={path}
              onDone={reload}
              onTested={attempt => setForm({ name: 'tested', attempt })}
            />
            <MoreMenu label="More">
              {(
                [
                  ['replay', 'Replay past events'],
                  ['settings', 'Change the settings'],
                  ['rotate', 'Rotate the secret'],
                  ['delete', 'Delete'],
                ] as const
              ).map(([name, title]) => (
                <button key={name} type="button" class="quiet" onClick={() => setForm({ name })}>
                  {title}
                </button>
              ))}
            </MoreMenu>
          </div>
        )}
      </PageHeading>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!webhook && !failure && <Loading what="the webhook" />}
      {webhook && (
        <>
          <div class="columns even">
            <HealthFacts webhook={webhook} />
            <SettingFacts webhook={webhook} />
          </div>
          <Attempts webhook={webhook} path={path} query={query} onDone={reload} />
        </>
      )}
      {webhook && form?.name === 'settings' && (
        <ChangeSettings {...{ webhook, path }} onClose={close} onDone={done} />
      )}
      {webhook && form?.name === 'replay' && <Replay {...{ webhook, path }} onClose={close} onDone={done} />}
      {webhook && form?.name === 'delete' && <DeleteWebhook {...{ webhook, path }} onClose={close} />}
      {webhook && form?.name === 'rotate' && (
        <RotateSecret
          {...{ webhook, path }}
          onClose={close}
          onMade={made => {
            setForm({ name: 'secret', made })
            reload()
          }}
        />
      )}
      {form?.name === 'secret' && <WebhookSecret made={form.made} onClose={close} />}
      {form?.name === 'tested' && <AttemptDialog title="The test" attempt={form.attempt} onClose={close} />}
    </section>
  )
}
