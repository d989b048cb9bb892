/** Shown while something is read for the first time. */
export function Loading({ what }: { what: string }) {
  return (
    <p class="loading hint" role="status">
      Loading {what.toLowerCase()} …
    </p>
  )
}
