// A component under test: `show(props)` renders it, `hide()` unmounts it. `shown` is what it rendered last.
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createClient } from './client.js'
import { useFeed, useJob } from './react/react.js'

export const shown = { renderings: 0 }
export const handled = []
let root
let client

function Feed({ types, from, keep, last }) {
  // A new array and a new function in each rendering.
  const { events, status, error } = useFeed(client, {
    types: [...types],
    from,
    keep,
    last,
    onEvent: ({ data }) => handled.push(data.n),
  })
  Object.assign(shown, { status, error: error?.code, events: events.map(({ data }) => data.n) })
  shown.renderings += 1
  return <p role="status">{status}</p>
}

function Job({ id }) {
  const { events, status, end, error } = useJob(client, id)
  Object.assign(shown, { status, end, error: error?.code, events: events.map(({ type }) => type) })
  return <p role="status">{status}</p>
}

export function show({ kind, url, token, ...props }) {
  client ??= createClient({ url, credentials: () => token, retry: 100, max: 500 })
  root ??= createRoot(document.querySelector('#root'))
  root.render(<StrictMode>{kind === 'job' ? <Job {...props} /> : <Feed {...props} />}</StrictMode>)
}

export function hide() {
  root.unmount()
  root = undefined
}
