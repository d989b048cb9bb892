/** The requests of the page to its own server, but for those of the transport. */
import type { Transcript } from '../server/chats.js'

export interface LoadedChat extends Transcript {
  /** The URL of the gateway. */
  readonly gateway: string
}

export async function loadChat(id: string): Promise<LoadedChat> {
  return await ask('PUT', `/api/chat/${id}`)
}

export async function tokenOf(id: string): Promise<string> {
  return (await ask<{ token: string }>('POST', `/api/chat/${id}/token`)).token
}

async function ask<T>(method: string, path: string): Promise<T> {
  const response = await fetch(path, { method })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  return await response.json()
}
