/** What changed, as a table of the paths with their values before and after. */
import { Table } from '../../pieces/table.tsx'
import type { Difference } from './difference.ts'

export interface DifferencesProps {
  readonly label: string
  /** The title of the older values, such as `Revision 2`. */
  readonly before: string
  readonly after: string
  readonly differences: readonly Difference[]
}

const MAX_ROWS = 200

export function Differences({ label, before, after, differences }: DifferencesProps) {
  if (differences.length === 0) return <p class="hint">No difference.</p>
  return (
    <>
      <Table
        caption={label}
        keyOf={({ path }) => path}
        entries={differences.slice(0, MAX_ROWS)}
        columns={[
          { title: 'What', cell: ({ path }: Difference) => <code>{path || '(all)'}</code> },
          {
            title: before,
            cell: (difference: Difference) => <Side value={difference.before} kind="before" />,
          },
          { title: after, cell: (difference: Difference) => <Side value={difference.after} kind="after" /> },
        ]}
      />
      {differences.length > MAX_ROWS && (
        <p class="hint">And {differences.length - MAX_ROWS} more differences.</p>
      )}
    </>
  )
}

function Side({ value, kind }: { value: unknown; kind: 'before' | 'after' }) {
  if (value === undefined) return <span class="hint">not there</span>
  return <code class={`side ${kind}`}>{JSON.stringify(value)}</code>
}
