/** The filter above a list: its fields are named after the parameters of the place that shows what matches. */
import type { ComponentChildren } from 'preact'
import { navigate } from '../shell/route.ts'

export interface FilterFormProps {
  /** The current parameters: with others, the fields begin with their new values. */
  readonly query: URLSearchParams
  /** The place for the values of the fields, by their names. */
  readonly hrefFor: (given: Readonly<Record<string, string>>) => string
  /** Default `Apply`. */
  readonly action?: string
  /** The filter is what the page is for. */
  readonly isMain?: boolean
  readonly children: ComponentChildren
}

export function FilterForm({ query, hrefFor, action = 'Apply', isMain, children }: FilterFormProps) {
  return (
    <search>
      <form
        class="filters"
        key={query.toString()}
        onSubmit={event => {
          event.preventDefault()
          const fields = [...new FormData(event.currentTarget)]
          navigate(hrefFor(Object.fromEntries(fields.map(([name, value]) => [name, String(value)]))))
        }}
      >
        {children}
        <button type="submit" class={isMain ? undefined : 'quiet'}>
          {action}
        </button>
      </form>
    </search>
  )
}
