/** The forms that move a consumer to another place, and delete it. */
import { useState } from 'preact/hooks'
import type { ConsumerDocument } from '../../../../src/consumers/consumer-document.ts'
import { useApi } from '../../api/api.ts'
import { announce } from '../../pieces/announcements.tsx'
import { ConfirmByName } from '../../pieces/confirm-by-name.tsx'
import { FormDialog, textIn, timeIn } from '../../pieces/form-dialog.tsx'

export interface ConsumerFormProps {
  readonly consumer: ConsumerDocument
  readonly onClose: () => void
  readonly onDone: () => void
}

const PLACES = {
  now: 'the newest event: what it has not processed is left out',
  beginning: 'before the oldest event that the stream has',
  time: 'a time',
  event: 'after an event',
} as const

export function SeekConsumer({ consumer: { name, holder }, onClose, onDone }: ConsumerFormProps) {
  const api = useApi()
  const [place, setPlace] = useState('now')
  return (
    <FormDialog
      title={`Move ${name}`}
      action="Move it"
      isDangerous
      onClose={onClose}
      onSubmit={async form => {
        const to = timeIn(form, 'time') ?? (textIn(form, 'event') || place)
        await api.send('POST', `api/consumers/${encodeURIComponent(name)}/seek`, { to })
        announce(`${name} was moved.`)
        onDone()
      }}
    >
      <label>
        It goes on at
        <select name="place" value={place} onChange={event => setPlace(event.currentTarget.value)}>
          {Object.entries(PLACES).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      {place === 'time' && (
        <label>
          Time
          <input name="time" type="datetime-local" step={1} required />
        </label>
      )}
      {place === 'event' && (
        <label>
          Event id
          <input name="event" placeholder="10532.k7f3qa" spellcheck={false} required />
        </label>
      )}
      {holder && (
        <p class="hint">
          {holder.principal ?? 'A client'} holds it: its acknowledgements are refused from now on, and it gets
          the events from the new place when it reconnects.
        </p>
      )}
    </FormDialog>
  )
}

export function DeleteConsumer({ consumer: { name, holder }, onClose, onDone }: ConsumerFormProps) {
  const api = useApi()
  return (
    <ConfirmByName
      title="Delete the consumer"
      name={name}
      action="Delete it with its place"
      onClose={onClose}
      onConfirm={async () => {
        await api.send('DELETE', `api/consumers/${encodeURIComponent(name)}`)
        announce(`${name} was deleted.`)
        onDone()
      }}
    >
      <p>
        Its place in the stream is lost; the events stay.
        {holder && ` ${holder.principal ?? 'A client'} holds it: its stream ends.`}
      </p>
    </ConfirmByName>
  )
}
