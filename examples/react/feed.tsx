/** A live list of items: the whole use of the hook. */
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { useEvents } from './use-events.js'

// Outside of the component, because a new array or function in each rendering would open a new stream each time.
const TYPES = ['item.created', 'item.updated', 'item.deleted']
const gateway = document.body.dataset.gateway ?? ''
const token = async () => document.body.dataset.token ?? ''

function Feed() {
  const { events, state } = useEvents({ gateway, path: '/api/events?last=50', types: TYPES, token })
  return (
    <main>
      <p role="status">{state}</p>
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
