/** The form that changes the options of a stream. */
import type { StreamDocument } from '../../../../src/streams/stream-document.ts'
import { useApi } from '../../api/api.ts'
import { announce } from '../../pieces/announcements.tsx'
import { FormDialog, textIn } from '../../pieces/form-dialog.tsx'
import { RetentionFields, retentionIn } from '../../pieces/retention-fields.tsx'

export interface ChangeOptionsProps {
  readonly stream: StreamDocument
  readonly path: string
  readonly onClose: () => void
  readonly onDone: () => void
}

export function ChangeOptions({ stream: { name, options }, path, onClose, onDone }: ChangeOptionsProps) {
  const api = useApi()
  const { compact_key, compact_after_seconds } = options
  return (
    <FormDialog
      title={`Options of ${name}`}
      action="Save"
      onClose={onClose}
      onSubmit={async form => {
        const key = textIn(form, 'compact_key')
        const after = textIn(form, 'compact_after_seconds')
        await api.send('PATCH', path, {
          ...retentionIn(form),
          compact_key: key === '' ? null : key,
          compact_after_seconds: after === '' ? null : Number(after),
        })
        announce(`The options of ${name} were changed.`)
        onClose()
        onDone()
      }}
    >
      <p class="hint">
        What is empty follows the workspace. Events that are too old are removed within an hour.
      </p>
      <RetentionFields options={options} />
      <label>
        Key for compaction (empty: off)
        <input name="compact_key" defaultValue={compact_key ?? ''} placeholder="data.id" spellcheck={false} />
      </label>
      <label>
        Superseded events lose their data after this many seconds (empty: 3,600)
        <input
          name="compact_after_seconds"
          type="number"
          min={0}
          defaultValue={compact_after_seconds === null ? '' : String(compact_after_seconds)}
        />
      </label>
    </FormDialog>
  )
}
