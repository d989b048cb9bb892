/** The chat itself. Its messages come from `useChat`; questions of other tabs, and how answers have ended, from the transcript. */
import { useChat } from '@ai-sdk/react'
import type { ChatTransport, UIMessage } from 'ai'
import { useEffect, useRef, useState } from 'react'
import type { AnyEvent, Client } from 'sluice-client'
import { useFeed } from 'sluice-client/react'
import { transcriptOf } from '../server/log.js'
import type { Ending } from '../server/message.js'
import { Composer } from './composer.js'
import { Message } from './message.js'
import type { LoadedChat } from './server.js'
import { Welcome } from './welcome.js'

interface ChatProps {
  readonly id: string
  readonly loaded: LoadedChat
  readonly client: Client
  readonly transport: ChatTransport<UIMessage>
}

const LINKS = {
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  behind: 'Catching up…',
  refused: 'Not allowed',
  ended: 'Ended',
} as const

export function Chat({ id, loaded, client, transport }: ChatProps) {
  const [endings, setEndings] = useState(loaded.endings)
  const chat = useChat({ id, messages: [...loaded.messages], transport, resume: true })
  const { messages, status, error } = chat
  const isBusy = status === 'submitted' || status === 'streaming'
  const { status: link } = useFeed(client, {
    stream: transcriptOf(id),
    from: loaded.head,
    keep: 1,
    retry: 250,
    max: 2_000,
    onEvent,
  })

  async function onEvent({ type, data }: AnyEvent): Promise<void> {
    const message = data.message as unknown as UIMessage
    if (type === 'chat.answered') setEndings(known => ({ ...known, [message.id]: data.ending as Ending }))
    if (chat.messages.some(known => known.id === message.id)) return
    chat.setMessages(known => (known.some(({ id }) => id === message.id) ? known : [...known, message]))
    if (type === 'chat.asked') await chat.resumeStream()
  }

  async function stop(): Promise<void> {
    // The answer ends with its stream, in this tab and in every other one.
    await fetch(`/api/chat/${id}/stop`, { method: 'POST' })
  }

  const bottom = useBottom(messages)
  return (
    <div className="chat" data-link={link} data-status={status}>
      <header>
        <h1>Sluice chat</h1>
        <p className="link" role="status">
          {LINKS[link]}
        </p>
        <a href="/">New chat</a>
      </header>
      <main ref={bottom}>
        {messages.length === 0 && <Welcome onAsk={text => void chat.sendMessage({ text })} />}
        <ol>
          {messages.map((message, index) => (
            <Message
              key={message.id}
              message={message}
              ending={endings[message.id]}
              isBeingWritten={isBusy && index === messages.length - 1}
            />
          ))}
          {isBusy && messages.at(-1)?.role === 'user' && (
            <li className="assistant">
              <p>
                <span className="caret" />
              </p>
            </li>
          )}
        </ol>
      </main>
      {error && (
        <p className="failure" role="alert">
          {error.message}{' '}
          <button type="button" onClick={() => void chat.resumeStream()}>
            Try again
          </button>
        </p>
      )}
      <Composer isBusy={isBusy} onSend={text => void chat.sendMessage({ text })} onStop={() => void stop()} />
    </div>
  )
}

/** Keeps the end in view while the reader is there. */
function useBottom(messages: readonly UIMessage[]) {
  const element = useRef<HTMLElement>(null)
  const isThere = useRef(true)
  useEffect(() => {
    const { current } = element
    const look = () => {
      if (current) isThere.current = current.scrollHeight - current.scrollTop - current.clientHeight < 80
    }
    current?.addEventListener('scroll', look)
    return () => current?.removeEventListener('scroll', look)
  }, [])
  useEffect(() => {
    if (isThere.current) element.current?.scrollTo(0, element.current.scrollHeight)
  }, [messages])
  return element
}
