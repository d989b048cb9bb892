/** A form that publishes a test event, to see it arrive. */
import { useState } from 'preact/hooks'
import { useApi } from '../../api/api.ts'
import { asProblem, type ProblemError } from '../../api/problem.ts'
import { announce } from '../../pieces/announcements.tsx'
import { CopyButton } from '../../pieces/copy-button.tsx'
import { Dialog } from '../../pieces/dialog.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { publishCommand } from './curl.ts'
import { FEED } from './filter.ts'

export function PublishDialog({ stream, onClose }: { stream: string; onClose: () => void }) {
  const api = useApi()
  const [type, setType] = useState('test.published')
  const [text, setText] = useState('{\n  "message": "Hello"\n}')
  const [failure, setFailure] = useState<ProblemError>()
  const [isBusy, setBusy] = useState(false)
  const data = objectIn(text)
  const query = { stream: stream === FEED ? undefined : stream }

  const publish = async () => {
    setBusy(true)
    setFailure(undefined)
    try {
      const { events } = await api.send<{ events: { position: number }[] }>(
        'POST',
        'api/events',
        { type, data },
        { query },
      )
      announce(`Published as #${events[0]?.position}.`)
      onClose()
    } catch (error) {
      setFailure(asProblem(error))
      setBusy(false)
    }
  }
  return (
    <Dialog title={`Publish to ${stream}`} onClose={onClose}>
      <form
        id="publish"
        class="stack"
        onSubmit={event => {
          event.preventDefault()
          if (data) void publish()
        }}
      >
        {failure && <Failure failure={failure} />}
        <label>
          Type
          <input
            name="type"
            value={type}
            maxLength={128}
            required
            spellcheck={false}
            onInput={event => setType(event.currentTarget.value)}
          />
        </label>
        <label>
          Data, a JSON object
          <textarea
            name="data"
            rows={8}
            spellcheck={false}
            value={text}
            aria-invalid={data === undefined}
            aria-describedby="data-fault"
            onInput={event => setText(event.currentTarget.value)}
          />
        </label>
        <p id="data-fault" class="hint fault">
          {data === undefined && 'This is no JSON object: write names and texts in double quotes.'}
        </p>
        <div class="row">
          <button type="submit" disabled={isBusy || data === undefined}>
            Publish
          </button>
          <CopyButton text={publishCommand(query.stream, type, data ?? {})} done="The command is copied.">
            Copy as curl
          </CopyButton>
        </div>
      </form>
    </Dialog>
  )
}

function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
