/** One attempt with what the receiver answered, and another attempt for its event. */
import { useState } from 'preact/hooks'
import type { Attempt } from '../../../../src/webhooks/attempt-document.ts'
import { useApi } from '../../api/api.ts'
import { asProblem, type ProblemError } from '../../api/problem.ts'
import { announce } from '../../pieces/announcements.tsx'
import { Dialog } from '../../pieces/dialog.tsx'
import { Facts } from '../../pieces/facts.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { Moment } from '../../pieces/moment.tsx'

export interface AttemptDialogProps {
  readonly title: string
  readonly attempt: Attempt
  /** The path of the webhook, `api/webhooks/…`; undefined: the event cannot be delivered again, because it is in no stream. */
  readonly path?: string
  readonly onClose: () => void
  readonly onDone?: () => void
}

export function AttemptDialog({ title, attempt, path, onClose, onDone }: AttemptDialogProps) {
  const { at, outcome, status, milliseconds, error, answer, next_try_at, event_id, event_uuid } = attempt
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="stack">
        <Facts
          facts={[
            ['Outcome', outcome],
            ['Time', <Moment key="at" at={at} long />],
            ['Status', status],
            ['Took', milliseconds !== null && `${milliseconds} ms`],
            ['Error', error],
            ['Event', event_id && <code key="event">{event_id}</code>],
            ['webhook-id', <code key="uuid">{event_uuid}</code>],
            ['Next attempt', next_try_at && <Moment key="next" at={next_try_at} long />],
            ['Answer', answer ? <code class="command">{answer}</code> : status !== null && 'an empty body'],
          ]}
        />
        {path !== undefined && event_id !== null && (
          <DeliverAgain path={`${path}/deliveries/${encodeURIComponent(attempt.id)}/retry`} onDone={onDone} />
        )}
      </div>
    </Dialog>
  )
}

function DeliverAgain({ path, onDone }: { path: string; onDone: (() => void) | undefined }) {
  const api = useApi()
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<ProblemError>()
  const send = async () => {
    setBusy(true)
    setFailure(undefined)
    try {
      await api.send('POST', path)
      announce('The event is delivered again soon.')
      onDone?.()
    } catch (error) {
      setFailure(asProblem(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      {failure && <Failure failure={failure} />}
      <p class="row">
        <button type="button" disabled={isBusy} onClick={() => void send()}>
          Deliver it again
        </button>
      </p>
    </>
  )
}
