/** The stream of a consumer or a webhook, with what it selects of it. */
export interface SelectionProps {
  readonly stream: string
  /** Terms, separated by commas. */
  readonly types: string | null
  readonly where: string | null
}

export function Selection({ stream, types, where }: SelectionProps) {
  return (
    <span class="text">
      {stream}
      {types && <span class="hint block">types {types.replaceAll(',', ', ')}</span>}
      {where && <span class="hint block">where {where}</span>}
    </span>
  )
}
