/** Messages of a chat, as `useChat` has them, and the parts of an answer, as its stream has them. */
import type { UIMessage, UIMessageChunk } from 'ai'

/** How an answer has ended. */
export type Ending = 'finished' | 'stopped' | 'failed'

/** The answer to a question has an id of its own, always the same one: a question that is sent twice is answered once. */
export function answerIdOf(question: string): string {
  return `${question}-answer`
}

export function messageOf(id: string, role: 'user' | 'assistant', text: string): UIMessage {
  return { id, role, parts: [{ type: 'text', text }] }
}

export function textOf(parts: readonly UIMessageChunk[]): string {
  return parts.map(part => (part.type === 'text-delta' ? part.delta : '')).join('')
}

export function endingOf(parts: readonly UIMessageChunk[]): Ending {
  const types = new Set(parts.map(({ type }) => type))
  if (types.has('abort')) return 'stopped'
  return types.has('finish') ? 'finished' : 'failed'
}
