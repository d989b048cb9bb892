/**
 * Who published the events in sight, which the log records and the gateway tells admins only: asked for together, a moment after their
 * rows have appeared. Answers are kept, of the newest MOST rows.
 */
import { createContext } from 'preact'
import { useContext, useEffect, useMemo, useState } from 'preact/hooks'
import { type Api, useApi } from '../../api/api.ts'
import { allows, type Principal } from '../../session/principal.ts'

/** Null: not recorded, or erased. */
export interface Publisher {
  readonly id: string
  readonly actor: string | null
  readonly way: string | null
}

/** Rows that appear in this time are asked for in one request. */
const TOGETHER_MS = 300
/** As many as the gateway takes. */
const PER_REQUEST = 100
const MOST = 1_000

export class Publishers {
  readonly #known = new Map<string, string | null>()
  readonly #wanted = new Map<string, Set<() => void>>()
  readonly #ask: (ids: readonly string[]) => Promise<readonly Publisher[]>
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(ask: (ids: readonly string[]) => Promise<readonly Publisher[]>) {
    this.#ask = ask
  }

  /** Undefined while it is not known. */
  actorOf(id: string): string | null | undefined {
    return this.#known.get(id)
  }

  /** @param onKnown is called once, when the answer is there. @returns a function that ends the wait. */
  want(id: string, onKnown: () => void): () => void {
    if (this.#known.has(id)) return () => undefined
    const waiting = this.#wanted.get(id) ?? new Set()
    this.#wanted.set(id, waiting.add(onKnown))
    this.#timer ??= setTimeout(() => void this.#askAll(), TOGETHER_MS)
    return () => {
      waiting.delete(onKnown)
      if (waiting.size === 0 && this.#wanted.get(id) === waiting) this.#wanted.delete(id)
    }
  }

  async #askAll(): Promise<void> {
    const asked = [...this.#wanted].slice(-PER_REQUEST)
    for (const [id] of asked) this.#wanted.delete(id)
    try {
      const found = asked.length > 0 ? await this.#ask(asked.map(([id]) => id)) : []
      const actors = new Map(found.map(({ id, actor }) => [id, actor]))
      for (const [id, waiting] of asked) {
        this.#known.set(id, actors.get(id) ?? null)
        for (const onKnown of waiting) onKnown()
      }
    } catch {
      // The rows show what their data says. They ask again when they are next in sight.
    }
    for (const id of [...this.#known.keys()].slice(0, Math.max(0, this.#known.size - MOST)))
      this.#known.delete(id)
    this.#timer = this.#wanted.size > 0 ? setTimeout(() => void this.#askAll(), TOGETHER_MS) : undefined
  }
}

export const PublishersContext = createContext<Publishers | undefined>(undefined)

/** As the gateway decides. */
export function mayKnowPublishers(principal: Principal): boolean {
  return allows(principal, 'admin') && !principal.grants
}

/** Undefined for callers that may not know them. */
export function usePublishers(principal: Principal, stream: string): Publishers | undefined {
  const api = useApi()
  const mayKnow = mayKnowPublishers(principal)
  return useMemo(
    () => (mayKnow ? new Publishers(ids => askPublishers(api, stream, ids)) : undefined),
    [api, mayKnow, stream],
  )
}

/** The principal that published the event; undefined while it is not known, and for callers that may not know it. */
export function usePublisher(id: string): string | undefined {
  const publishers = useContext(PublishersContext)
  const [, setRound] = useState(0)
  useEffect(() => publishers?.want(id, () => setRound(before => before + 1)), [publishers, id])
  return publishers?.actorOf(id) ?? undefined
}

export async function askPublishers(
  api: Api,
  stream: string,
  ids: readonly string[],
): Promise<readonly Publisher[]> {
  const query = { stream, ids: ids.join(',') }
  return (await api.get<{ publishers: readonly Publisher[] }>('api/events/publishers', { query })).publishers
}
