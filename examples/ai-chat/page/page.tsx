/** The page of one chat: it loads what has been said, then follows what is said from there on, in this tab or in another one. */
import './without-eval.js'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createClient } from 'sluice-client'
import { createChatTransport } from 'sluice-client/ai/chat-transport'
import { Chat } from './chat.js'
import { loadChat, tokenOf } from './server.js'
import './page.css'

const place = document.querySelector('#chat')
const id = location.pathname.split('/').at(-1) ?? ''

if (place) {
  const root = createRoot(place)
  root.render(<p className="alone">Connecting…</p>)
  loadChat(id).then(
    loaded => {
      const options = { url: loaded.gateway, credentials: () => tokenOf(id), retry: 250, max: 2_000 }
      const client = createClient(options)
      const transport = createChatTransport({ ...options, api: '/api/chat' })
      root.render(
        <StrictMode>
          <Chat id={id} loaded={loaded} client={client} transport={transport} />
        </StrictMode>,
      )
    },
    () => root.render(<p className="alone">The chat cannot be loaded: reload the page in a moment.</p>),
  )
}
