/** How long the workspace keeps the events of streams that have no options of their own. */
import { useState } from 'preact/hooks'
import type { WorkspaceOptions } from '../../../../src/streams/stream-document.ts'
import { useApi } from '../../api/api.ts'
import { useRequest } from '../../api/use-request.ts'
import { announce } from '../../pieces/announcements.tsx'
import { duration } from '../../pieces/duration.ts'
import { Facts } from '../../pieces/facts.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { FormDialog } from '../../pieces/form-dialog.tsx'
import { RetentionFields, retentionIn } from '../../pieces/retention-fields.tsx'

export function Retention() {
  const api = useApi()
  const { data, failure, retryAt, reload } = useRequest<WorkspaceOptions>(
    asked => asked.get('api/workspace'),
    [],
  )
  const [isOpen, setOpen] = useState(false)
  return (
    <section class="card panel" aria-labelledby="retention-title">
      <div class="heading">
        <h2 id="retention-title">Retention of this workspace</h2>
        {data && (
          <button type="button" class="quiet" onClick={() => setOpen(true)}>
            Change
          </button>
        )}
      </div>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {data && (
        <Facts
          facts={[
            [
              'Age',
              data.max_age_seconds === null
                ? "the gateway's RETENTION_DAYS"
                : duration(data.max_age_seconds * 1_000),
            ],
            [
              'Events a stream',
              data.max_events === null ? 'any number' : data.max_events.toLocaleString('en'),
            ],
          ]}
        />
      )}
      {data && isOpen && (
        <FormDialog
          title="Retention of this workspace"
          action="Save"
          onClose={() => setOpen(false)}
          onSubmit={async form => {
            await api.send('PATCH', 'api/workspace', retentionIn(form))
            announce('The retention was changed.')
            setOpen(false)
            reload()
          }}
        >
          <p class="hint">
            A stream with options of its own keeps them. Events that are too old are removed within an hour.
          </p>
          <RetentionFields options={data} />
        </FormDialog>
      )}
    </section>
  )
}
