/** A live list of items. */
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createClient } from 'sluice-client'
import { useFeed } from 'sluice-client/react'

const { gateway = '', token = '' } = document.body.dataset
// Outside of the component: one client for all of its renderings. In an application, `credentials` asks the login for a token.
const client = createClient({ url: gateway, credentials: () => token })

function Feed() {
  const { events, status } = useFeed(client, {
    types: ['item.created', 'item.updated', 'item.deleted'],
    last: 50,
  })
  return (
    <main>
      <p role="status">{status}</p>
      <ol>
        {events.map(({ id, type, data }) => (
          <li key={id}>
            {type} {JSON.stringify(data)}
          </li>
        ))}
      </ol>
    </main>
  )
}

const place = document.querySelector('#feed')
if (place)
  createRoot(place).render(
    <StrictMode>
      <Feed />
    </StrictMode>,
  )
