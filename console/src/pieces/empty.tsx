/** Shown in place of a list without entries: what the list would show, and the next step. */
import type { ComponentChildren } from 'preact'

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="empty card">
      <h2>{title}</h2>
      {children}
    </div>
  )
}
