/** The actions of an admin on a webhook that need no form: test it, pause it, resume it, send its dead letters again. */
import { useState } from 'preact/hooks'
import type { Attempt } from '../../../../src/webhooks/attempt-document.ts'
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { useApi } from '../../api/api.ts'
import { asProblem, type ProblemError } from '../../api/problem.ts'
import { announce } from '../../pieces/announcements.tsx'
import { Failure } from '../../pieces/failure.tsx'

export interface WebhookActionsProps {
  readonly webhook: WebhookDocument
  /** `api/webhooks/…` */
  readonly path: string
  readonly onDone: () => void
  readonly onTested: (attempt: Attempt) => void
}

export function WebhookActions({ webhook, path, onDone, onTested }: WebhookActionsProps) {
  const api = useApi()
  const [busy, setBusy] = useState<string>()
  const [failure, setFailure] = useState<ProblemError>()
  const run = async (title: string, act: () => Promise<void>) => {
    setBusy(title)
    setFailure(undefined)
    try {
      await act()
      onDone()
    } catch (error) {
      setFailure(asProblem(error))
    } finally {
      setBusy(undefined)
    }
  }
  const button = (title: string, act: () => Promise<void>, isMain = false) => (
    <button
      key={title}
      type="button"
      class={isMain ? undefined : 'quiet'}
      disabled={busy !== undefined}
      onClick={() => void run(title, act)}
    >
      {busy === title ? `${title} …` : title}
    </button>
  )
  const post = (action: string, done: string) => async () => {
    await api.send('POST', `${path}/${action}`)
    announce(done)
  }
  const { state, replay, dead_letters } = webhook
  return (
    <>
      {failure && <Failure failure={failure} />}
      {button('Send a test', async () => onTested(await api.send('POST', `${path}/test`)))}
      {replay?.state === 'running' &&
        button('Stop the replay', async () => {
          await api.send('DELETE', `${path}/replay`)
          announce('The replay was stopped.')
        })}
      {dead_letters > 0 &&
        button(
          'Deliver dead letters again',
          post('dead-letters/retry', 'The dead letters are delivered again soon.'),
        )}
      {state === 'active'
        ? button('Pause', post('pause', 'The webhook is paused.'))
        : button('Resume', post('resume', 'The webhook is active again.'), true)}
    </>
  )
}
