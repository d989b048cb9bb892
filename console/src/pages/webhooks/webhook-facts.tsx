/** The facts of one webhook: its health and its settings. */
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { Facts } from '../../pieces/facts.tsx'
import { Lag } from '../../pieces/lag.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { Selection } from '../../pieces/selection.tsx'
import { hrefOf } from '../../shell/route.ts'
import { Health } from './webhook-health.tsx'

interface FactsProps {
  readonly webhook: WebhookDocument
}

export function HealthFacts({ webhook }: FactsProps) {
  const { id, state, state_at, lag, failing, dead_letters, replay, last_success_at, last_attempt, cursor } =
    webhook
  return (
    <section class="card panel" aria-labelledby="health-title">
      <h2 id="health-title">Health</h2>
      <Facts
        facts={[
          ['State', <Health key="state" webhook={webhook} />],
          ['Since', state !== 'active' && <Moment key="since" at={state_at} long />],
          ['Behind', <Lag key="lag" lag={lag} />],
          ['Delivered up to', <code key="cursor">{cursor}</code>],
          [
            'Waiting event',
            failing && (
              <>
                <code>{failing.event_id}</code>, attempt {failing.attempt}
              </>
            ),
          ],
          ['Next attempt', failing?.next_try_at && <Moment key="next" at={failing.next_try_at} long />],
          ['Last success', last_success_at ? <Moment key="success" at={last_success_at} long /> : 'never'],
          [
            'Last attempt',
            last_attempt && (
              <>
                {last_attempt.outcome}, <Moment at={last_attempt.at} long />
              </>
            ),
          ],
          [
            'Dead letters',
            dead_letters > 0 && (
              <a key="dead" href={hrefOf('webhooks', [id], { outcome: 'dead' })}>
                {dead_letters.toLocaleString('en')}
              </a>
            ),
          ],
          [
            'Replay',
            replay && (
              <>
                {replay.state}: after <code>{replay.from}</code> up to <code>{replay.to}</code>
                {replay.state !== 'completed' && (
                  <>
                    , at <code>{replay.at}</code>
                  </>
                )}
              </>
            ),
          ],
        ]}
      />
    </section>
  )
}

export function SettingFacts({ webhook }: FactsProps) {
  const { id, url, form, order, max_in_flight, on_exhausted, header_names, secrets, created_at, created_by } =
    webhook
  return (
    <section class="card panel" aria-labelledby="settings-title">
      <h2 id="settings-title">Settings</h2>
      <Facts
        facts={[
          ['URL', <span key="url">{url}</span>],
          ['Id', <code key="id">{id}</code>],
          ['Stream', <Selection key="stream" {...webhook} />],
          ['Form', form],
          ['Order', order === 'parallel' ? `parallel, ${max_in_flight} at once` : 'ordered'],
          ['After the last attempt', on_exhausted === 'pause' ? 'pauses at the event' : 'skips the event'],
          ['Further headers', header_names.join(', ')],
          [
            'Secrets',
            <span key="secrets">
              {secrets.map(({ id: secret, created_at: at, expires_at }) => (
                <span key={secret} class="block">
                  of <Moment at={at} long />
                  {expires_at && (
                    <>
                      , signs until <Moment at={expires_at} long />
                    </>
                  )}
                </span>
              ))}
            </span>,
          ],
          [
            'Created',
            <span key="created">
              <Moment at={created_at} long />, by {created_by}
            </span>,
          ],
        ]}
      />
    </section>
  )
}
