/** The clients of the workspace, read again every few seconds; in three lists: connected, closed, refused. */
import { FilterForm } from '../../pieces/filter-form.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { hrefOf } from '../../shell/route.ts'
import { ClosedClients } from './closed-clients.tsx'
import { OpenClients } from './open-clients.tsx'
import { RefusedClients } from './refused-clients.tsx'

const VIEWS = { '': 'Connected', closed: 'Closed', refused: 'Refused' } as const

export function ClientList({ query }: { query: URLSearchParams }) {
  const view = query.get('view') ?? ''
  const filter = { stream: query.get('stream') ?? '', principal: query.get('principal') ?? '' }
  return (
    <section>
      <PageHeading title="Clients">
        <a class="button" href={hrefOf('clients', ['explain'], filter)}>
          Explain an event
        </a>
      </PageHeading>
      <ul class="views" aria-label="Lists">
        {Object.entries(VIEWS).map(([name, title]) => (
          <li key={name}>
            <a
              href={hrefOf('clients', [], { ...filter, view: name })}
              {...(name === view && { 'aria-current': 'true' })}
            >
              {title}
            </a>
          </li>
        ))}
      </ul>
      <FilterForm query={query} hrefFor={given => hrefOf('clients', [], { ...given, view })}>
        <label>
          Stream
          <input
            name="stream"
            defaultValue={filter.stream}
            placeholder="any"
            maxLength={132}
            spellcheck={false}
          />
        </label>
        <label>
          Principal
          <input name="principal" defaultValue={filter.principal} placeholder="any" maxLength={256} />
        </label>
      </FilterForm>
      {view === 'closed' && <ClosedClients filter={filter} />}
      {view === 'refused' && <RefusedClients filter={filter} />}
      {view !== 'closed' && view !== 'refused' && <OpenClients filter={filter} />}
    </section>
  )
}
