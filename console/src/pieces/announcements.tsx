/**
 * Short messages about what the reader did ("Copied"): shown for some seconds, and read by screen readers. Failures stay until
 * they are dismissed.
 */
import { useEffect, useState } from 'preact/hooks'

interface Announcement {
  readonly id: number
  readonly text: string
  readonly isFailure: boolean
}

const SHOWN_MS = 6_000
const MAX_SHOWN = 4
let shown: readonly Announcement[] = []
let listener: (() => void) | undefined
let count = 0

export function announce(text: string, { isFailure = false } = {}): void {
  const id = ++count
  change([...shown, { id, text, isFailure }].slice(-MAX_SHOWN))
  if (!isFailure) setTimeout(() => dismiss(id), SHOWN_MS)
}

function dismiss(id: number): void {
  change(shown.filter(one => one.id !== id))
}

function change(next: readonly Announcement[]): void {
  shown = next
  listener?.()
}

export function Announcements() {
  const [, render] = useState(shown)
  useEffect(() => {
    listener = () => render(shown)
    return () => {
      listener = undefined
    }
  }, [])
  return (
    <div class="announcements" role="status" aria-live="polite">
      {shown.map(({ id, text, isFailure }) => (
        <p key={id} class={isFailure ? 'announcement failed' : 'announcement'}>
          {text}
          <button type="button" class="quiet" onClick={() => dismiss(id)}>
            Dismiss
          </button>
        </p>
      ))}
    </div>
  )
}
