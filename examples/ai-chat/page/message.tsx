/** One message: the text as it is, and under an answer that did not finish, why. */
import type { UIMessage } from 'ai'
import type { Ending } from '../server/message.js'

interface MessageProps {
  readonly message: UIMessage
  readonly ending: Ending | undefined
  readonly isBeingWritten: boolean
}

const NOTES = { finished: undefined, stopped: 'Stopped', failed: 'Not completed' } as const

export function Message({ message, ending, isBeingWritten }: MessageProps) {
  const text = message.parts.map(part => (part.type === 'text' ? part.text : '')).join('')
  const isAnswer = message.role === 'assistant'
  const note = ending && NOTES[ending]
  return (
    <li className={message.role} data-id={message.id} data-ending={ending}>
      <p>
        <span className="text">{text}</span>
        {isAnswer && isBeingWritten && <span className="caret" />}
      </p>
      {note && <small>{note}</small>}
    </li>
  )
}
