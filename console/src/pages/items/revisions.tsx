/** The revisions of an item, newest first, and what changed between two of them. */
import { useEffect, useState } from 'preact/hooks'
import type { Item, Revision } from '../../../../src/items/item.ts'
import { usePages } from '../../api/use-pages.ts'
import { Failure } from '../../pieces/failure.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { differences } from './difference.ts'
import { Differences } from './differences.tsx'

interface RevisionPage {
  readonly revisions: readonly Revision[]
  readonly next_cursor: string | null
}

export function Revisions({ item }: { item: Item }) {
  const path = `api/items/${encodeURIComponent(item.part_number)}/revisions`
  const pages = usePages<RevisionPage, Revision>(path, {}, page => page.revisions)
  const { data, failure, retryAt, reload, hasMore, more, isLoading } = pages
  const [chosen, setChosen] = useState<{ readonly older?: number; readonly newer?: number }>({})
  useEffect(() => {
    if (data !== undefined) reload()
  }, [item.etag])

  const newer = data?.find(one => one.revision_number === chosen.newer) ?? data?.[0]
  const older = data?.find(one => one.revision_number === chosen.older) ?? data?.[1]
  return (
    <section class="card panel" aria-labelledby="revisions-title">
      <h2 id="revisions-title">Revisions</h2>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!data && !failure && <Loading what="the revisions" />}
      <ol class="revisions">
        {data?.map(({ revision_number, comment, actor, at }) => (
          <li key={revision_number}>
            <strong>{revision_number}</strong>
            <span class="text">{comment}</span>
            <span class="hint">
              {actor}, <Moment at={at} long />
            </span>
          </li>
        ))}
      </ol>
      {hasMore && (
        <button type="button" class="quiet" disabled={isLoading} onClick={more}>
          Show older ones
        </button>
      )}
      {data && older && newer && (
        <>
          <h2>What changed</h2>
          <div class="filters">
            <Choice
              label="From"
              revisions={data}
              value={older}
              onChange={value => setChosen({ ...chosen, older: value })}
            />
            <Choice
              label="To"
              revisions={data}
              value={newer}
              onChange={value => setChosen({ ...chosen, newer: value })}
            />
          </div>
          <Differences
            label={`Changes from revision ${older.revision_number} to ${newer.revision_number}`}
            before={`Revision ${older.revision_number}`}
            after={`Revision ${newer.revision_number}`}
            differences={differences(older.properties, newer.properties)}
          />
        </>
      )}
    </section>
  )
}

interface ChoiceProps {
  readonly label: string
  readonly revisions: readonly Revision[]
  readonly value: Revision
  readonly onChange: (revision: number) => void
}

function Choice({ label, revisions, value, onChange }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value.revision_number} onChange={event => onChange(Number(event.currentTarget.value))}>
        {revisions.map(({ revision_number }) => (
          <option key={revision_number} value={revision_number}>
            Revision {revision_number}
          </option>
        ))}
      </select>
    </label>
  )
}
