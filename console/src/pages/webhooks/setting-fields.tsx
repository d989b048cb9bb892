/** The fields of a form that hold the settings of a webhook: of a new one, or of one that is changed. */
import { useState } from 'preact/hooks'
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { linesIn, textIn } from '../../pieces/form-dialog.tsx'

const FORMS: Readonly<Record<WebhookDocument['form'], string>> = {
  standard: 'Standard Webhooks: type, timestamp and data',
  cloudevents: 'CloudEvents, structured',
  'cloudevents-binary': 'CloudEvents, binary: only the data in the body',
}

/** @param webhook the one that is changed; undefined: a new one. */
export function SettingFields({ webhook }: { webhook?: WebhookDocument }) {
  const [order, setOrder] = useState(webhook?.order ?? 'ordered')
  return (
    <>
      <label>
        URL
        <input
          name="url"
          type="url"
          maxLength={2_048}
          placeholder="https://…/hooks/sluice"
          defaultValue={webhook?.url ?? ''}
          spellcheck={false}
          required
        />
      </label>
      <label>
        What it is for (empty: nothing)
        <input name="description" maxLength={2_000} defaultValue={webhook?.description ?? ''} />
      </label>
      <label>
        Only events of these types (empty: all)
        <input
          name="types"
          placeholder="item.*,job.completed"
          defaultValue={webhook?.types ?? ''}
          spellcheck={false}
        />
      </label>
      <label>
        Only events whose data matches (empty: all)
        <input
          name="where"
          placeholder='data.project eq "A12"'
          defaultValue={webhook?.where ?? ''}
          spellcheck={false}
        />
      </label>
      <label>
        What it posts
        <select name="form">
          {Object.entries(FORMS).map(([form, text]) => (
            <option key={form} value={form} selected={form === (webhook?.form ?? 'standard')}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        Order
        <select name="order" value={order} onChange={event => setOrder(orderIn(event.currentTarget.value))}>
          <option value="ordered">ordered: each event waits for the one before</option>
          <option value="parallel">parallel: several at once</option>
        </select>
      </label>
      {order === 'parallel' && (
        <label>
          At once, at most
          <input
            name="max_in_flight"
            type="number"
            min={1}
            max={100}
            defaultValue={String(webhook?.max_in_flight ?? 10)}
            required
          />
        </label>
      )}
      <label>
        When the last attempt for an event has failed
        <select name="on_exhausted">
          <option value="pause">pause the webhook at this event</option>
          <option value="skip" selected={webhook?.on_exhausted === 'skip'}>
            skip the event to the dead letters
          </option>
        </select>
      </label>
      <HeaderFields names={webhook?.header_names} />
    </>
  )
}

function HeaderFields({ names }: { names: readonly string[] | undefined }) {
  const [isShown, setShown] = useState(false)
  const present = names && names.length > 0 ? ` Now: ${names.join(', ')}.` : ''
  return (
    <fieldset>
      <legend class="unseen">Further headers</legend>
      <label class="check">
        <input
          type="checkbox"
          name="has_headers"
          checked={isShown}
          onChange={event => setShown(event.currentTarget.checked)}
        />
        {present ? 'Replace the further headers' : 'Send further headers'}
      </label>
      {isShown && (
        <label>
          One header a line, as <code>Name: value</code>. Nobody can see the values again.{present}
          <textarea name="headers" rows={2} spellcheck={false} placeholder="X-Api-Key: …" />
        </label>
      )}
    </fieldset>
  )
}

/** What the fields hold, as a request. @throws {Error} for a line that is no header. */
export function settingsIn(form: FormData): Readonly<Record<string, unknown>> {
  const order = orderIn(textIn(form, 'order'))
  return {
    url: textIn(form, 'url'),
    description: textIn(form, 'description') || null,
    types: textIn(form, 'types').replace(/\s/g, '') || null,
    where: textIn(form, 'where') || null,
    form: textIn(form, 'form'),
    order,
    ...(order === 'parallel' && { max_in_flight: Number(textIn(form, 'max_in_flight')) }),
    on_exhausted: textIn(form, 'on_exhausted'),
    ...(form.has('has_headers') && { headers: Object.fromEntries(linesIn(form, 'headers').map(headerIn)) }),
  }
}

function headerIn(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  if (colon > 0) return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  throw new Error(`“${line}” is no header. Write Name: value.`)
}

function orderIn(text: string): WebhookDocument['order'] {
  return text === 'parallel' ? 'parallel' : 'ordered'
}
