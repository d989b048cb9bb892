/** All items of the workspace, or those that a search finds. */
import { useRef, useState } from 'preact/hooks'
import type { Item } from '../../../../src/items/item.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge } from '../../pieces/badge.tsx'
import { Empty } from '../../pieces/empty.tsx'
import { FilterForm } from '../../pieces/filter-form.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { FEED, mayPublish } from '../../session/granted.ts'
import { useSession } from '../../session/session.ts'
import { hrefOf } from '../../shell/route.ts'
import { useShortcut } from '../../shell/shortcuts.tsx'
import { useChanges } from '../../stream/use-changes.ts'
import { CreateItem } from './item-forms.tsx'

interface ItemPage {
  readonly items: readonly Item[]
  readonly next_cursor: string | null
}

const COLUMNS = [
  {
    title: 'Part number',
    cell: ({ part_number }: Item) => <a href={hrefOf('items', [part_number])}>{part_number}</a>,
  },
  { title: 'Description', cell: ({ description }: Item) => <span class="clipped">{description}</span> },
  { title: 'Type', cell: ({ item_type }: Item) => <Badge text={item_type} tone="blue" /> },
  { title: 'Revision', cell: ({ revision }: Item) => revision, isNumber: true },
  { title: 'Changed', cell: ({ updated_at }: Item) => <Moment at={updated_at} long /> },
]

export function ItemList({ query }: { query: URLSearchParams }) {
  const { principal } = useSession()
  const search = query.get('search') ?? ''
  const type = query.get('type') ?? ''
  const pages = usePages<ItemPage, Item>('api/items', { search, item_type: type }, page => page.items)
  const [isCreating, setCreating] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const mayCreate = mayPublish(principal, [FEED], 'item.created')
  useChanges('item.*', pages.reload)
  useShortcut('/', 'Search the items', () => field.current?.focus())
  return (
    <section>
      <PageHeading title="Items">
        {mayCreate && (
          <button type="button" onClick={() => setCreating(true)}>
            Create an item
          </button>
        )}
      </PageHeading>
      <FilterForm query={query} hrefFor={given => hrefOf('items', [], given)} action="Search">
        <label>
          Search
          <input
            ref={field}
            name="search"
            defaultValue={search}
            placeholder="part number or description"
            maxLength={200}
          />
        </label>
        <label>
          Type
          <input name="type" defaultValue={type} placeholder="any" maxLength={64} />
        </label>
      </FilterForm>
      <PagedTable
        caption="Items by part number"
        columns={COLUMNS}
        keyOf={({ part_number }) => part_number}
        pages={pages}
        empty={<NoItems isFiltered={search !== '' || type !== ''} mayCreate={mayCreate} />}
      />
      {isCreating && <CreateItem onClose={() => setCreating(false)} />}
    </section>
  )
}

function NoItems({ isFiltered, mayCreate }: { isFiltered: boolean; mayCreate: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No item is like that">
        <p>
          Search for another text, or <a href={hrefOf('items')}>show all items</a>.
        </p>
      </Empty>
    )
  }
  return (
    <Empty title="No items yet">
      <p>
        {mayCreate
          ? 'Create the first one: its history appears here and on the feed.'
          : 'Your role may only read. Items that others create appear here at once.'}
      </p>
    </Empty>
  )
}
