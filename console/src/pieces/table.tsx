/** A table; on a phone each row is a card with the titles beside the values. */
import type { ComponentChildren } from 'preact'

export interface Column<T> {
  readonly title: string
  readonly cell: (entry: T) => ComponentChildren
  readonly isNumber?: boolean
  /** A word or a time, which stays in one line. */
  readonly isShort?: boolean
}

export interface TableProps<T> {
  /** The name of the rows, for screen readers. */
  readonly caption: string
  /** The first one names the row. */
  readonly columns: readonly Column<T>[]
  readonly entries: readonly T[]
  readonly keyOf: (entry: T) => string
}

export function Table<T>({ caption, columns, entries, keyOf }: TableProps<T>) {
  const [name, ...others] = columns
  return (
    <div class="card table-card">
      <table class="table">
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, isNumber }) => (
              <th key={title} scope="col" class={isNumber ? 'number' : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {entries.map(entry => (
            <tr key={keyOf(entry)}>
              <th scope="row">{name?.cell(entry)}</th>
              {others.map(({ title, cell, isNumber, isShort }) => (
                <td key={title} data-title={title} class={classOf(isNumber, isShort)}>
                  <div>{cell(entry)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function classOf(isNumber = false, isShort = false): string {
  return `${isNumber ? 'number' : ''} ${isShort ? 'short' : ''}`
}
