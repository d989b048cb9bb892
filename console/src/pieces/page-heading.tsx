/** The heading of a page, with what it offers beside it. The focus moves to it when the page is opened. */
import type { ComponentChildren } from 'preact'

export function PageHeading({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="heading">
      <h1>{title}</h1>
      {children}
    </div>
  )
}
