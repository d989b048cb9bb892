/** A time of the gateway: by the clock in a list, as a whole in its title. */
export interface MomentProps {
  /** As in RFC 3339. */
  readonly at: string
  /** Whether the date is shown too. */
  readonly long?: boolean
}

const CLOCK = new Intl.DateTimeFormat([], {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
})
const WHOLE = new Intl.DateTimeFormat([], { dateStyle: 'medium', timeStyle: 'medium', hour12: false })

export function Moment({ at, long = false }: MomentProps) {
  const time = new Date(at)
  if (Number.isNaN(time.getTime())) return <span>{at}</span>
  return (
    <time dateTime={time.toISOString()} title={WHOLE.format(time)}>
      {(long ? WHOLE : CLOCK).format(time)}
    </time>
  )
}
