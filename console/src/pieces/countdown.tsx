import { useEffect, useState } from 'preact/hooks'

/** `in 7 s`, counting down to a time in milliseconds since 1970; `now` when it is over. */
export function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [])
  const seconds = Math.ceil((until - now) / 1_000)
  return <span>{seconds > 0 ? `in ${seconds} s` : 'now'}</span>
}
