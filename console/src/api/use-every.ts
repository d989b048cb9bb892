/** Calls `act` again and again while the page is in sight, for figures that no stream reports. */
import { useEffect, useRef } from 'preact/hooks'

export function useEvery(ms: number, act: () => void): void {
  const latest = useRef(act)
  latest.current = act
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) latest.current()
    }, ms)
    return () => clearInterval(timer)
  }, [ms])
}
