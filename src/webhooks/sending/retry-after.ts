/** `Retry-After`: seconds, or a date (RFC 9110 §10.2.3). */

const SECONDS = /^\d{1,9}$/
/** The form of HTTP dates that senders must write (RFC 9110 §5.6.7). */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** In milliseconds from `now`, 0 for a date that is over; undefined if there is none, or none that can be read. */
export function retryAfterMsIn(
  header: string | readonly string[] | undefined,
  now: number = Date.now(),
): number | undefined {
  const value = (typeof header === 'string' ? header : header?.[0])?.trim() ?? ''
  if (SECONDS.test(value)) return Number(value) * 1_000
  const date = IMF_FIXDATE.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
