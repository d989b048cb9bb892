/** One item: its fields, its revisions with what changed between two of them, and its live history. */
import { useState } from 'preact/hooks'
import type { Item } from '../../../../src/items/item.ts'
import { useRequest } from '../../api/use-request.ts'
import { Badge } from '../../pieces/badge.tsx'
import { Facts } from '../../pieces/facts.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { JsonTree } from '../../pieces/json-tree.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { FEED, mayPublish } from '../../session/granted.ts'
import { useSession } from '../../session/session.ts'
import { hrefOf } from '../../shell/route.ts'
import { ChangeItem, DeleteItem, ReleaseItem } from './item-forms.tsx'
import { ItemHistory } from './item-history.tsx'
import { Revisions } from './revisions.tsx'

/** Each form with the event that it writes. */
const FORMS = [
  ['change', 'Change', 'item.updated'],
  ['release', 'Release a revision', 'revision.created'],
  ['delete', 'Delete', 'item.deleted'],
] as const
type Form = (typeof FORMS)[number][0]

export function ItemView({ partNumber }: { partNumber: string }) {
  const { principal } = useSession()
  const path = `api/items/${encodeURIComponent(partNumber)}`
  const { data: item, failure, retryAt, reload } = useRequest<Item>(api => api.get(path), [path])
  const [form, setForm] = useState<Form>()
  const close = () => setForm(undefined)
  const isGone = failure?.problem.status === 404
  return (
    <section>
      <p class="back">
        <a href={hrefOf('items')}>All items</a>
      </p>
      <PageHeading title={partNumber}>
        {item && !isGone && (
          <div class="row">
            {FORMS.filter(([, , type]) => mayPublish(principal, [FEED], type)).map(([name, title]) => (
              <button key={name} type="button" class="quiet" onClick={() => setForm(name)}>
                {title}
              </button>
            ))}
          </div>
        )}
      </PageHeading>
      {failure && !isGone && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {isGone && (
        <p class="notice" role="alert">
          There is no item {partNumber}: it was deleted or never existed. Its history below shows what
          happened.
        </p>
      )}
      {!item && !failure && <Loading what="the item" />}
      <div class="columns">
        <div class="stack">
          {item && !isGone && <Fields item={item} />}
          {item && !isGone && <Revisions item={item} />}
        </div>
        <ItemHistory partNumber={partNumber} onChange={reload} />
      </div>
      {item && form === 'change' && <ChangeItem item={item} onClose={close} onChanged={reload} />}
      {item && form === 'release' && <ReleaseItem item={item} onClose={close} onChanged={reload} />}
      {item && form === 'delete' && <DeleteItem item={item} onClose={close} />}
    </section>
  )
}

function Fields({ item }: { item: Item }) {
  return (
    <section class="card panel" aria-label="The item">
      <p class="lead">{item.description}</p>
      <Facts
        facts={[
          ['Type', <Badge key="type" text={item.item_type} tone="blue" />],
          ['Revision', item.revision],
          ['Created', <Moment key="created" at={item.created_at} long />],
          ['Changed', <Moment key="changed" at={item.updated_at} long />],
        ]}
      />
      <h2>Properties</h2>
      <JsonTree value={item.properties} />
    </section>
  )
}
