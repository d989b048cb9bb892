/** The fields of a form that say how long events are kept. */
import { textIn } from './form-dialog.tsx'

interface Options {
  readonly max_age_seconds: number | null
  readonly max_events: number | null
}

const DAY_SECONDS = 86_400

export function RetentionFields({ options }: { options: Options }) {
  const { max_age_seconds, max_events } = options
  return (
    <>
      <label>
        Keep events for this many days (empty: not set here)
        <input
          name="days"
          type="number"
          min={0}
          step="any"
          defaultValue={max_age_seconds === null ? '' : String(max_age_seconds / DAY_SECONDS)}
        />
      </label>
      <label>
        Keep this many of the newest events (empty: any number)
        <input
          name="events"
          type="number"
          min={1}
          defaultValue={max_events === null ? '' : String(max_events)}
        />
      </label>
    </>
  )
}

export function retentionIn(form: FormData): Options {
  const days = textIn(form, 'days')
  const events = textIn(form, 'events')
  return {
    max_age_seconds: days === '' ? null : Math.max(1, Math.round(Number(days) * DAY_SECONDS)),
    max_events: events === '' ? null : Number(events),
  }
}
