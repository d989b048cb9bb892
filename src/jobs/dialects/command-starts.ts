/**
 * When the commands started that clients of this process follow. The event that ends a cancelled command does not say it,
 * and the last message of the dialect does. A process knows it of every command that it shows: from the job as it was when
 * the client came, or from `job.started`, which the client received since.
 *
 * Ids are unique in a workspace only, so each workspace has its own view (I7).
 *
 * Events are read again by clients that catch up, so an older attempt never replaces a newer one, and an attempt that was
 * handed back does not start again.
 */
import type { Job } from '../job.js'

/** The starts of the commands of one workspace. */
export interface WorkspaceStarts {
  /** Keeps what is known about the job until the returned function is called. Calling it twice is fine. */
  follow(job: Pick<Job, 'id' | 'attempt' | 'started_at'>): () => void
  /** @param startedAt undefined if the attempt was handed back, or lost its lease. */
  note(id: string, attempt: number, startedAt: number | undefined): void
  /** For how many milliseconds the attempt has run at `endedAt`; 0 if it did not run then. */
  ranMs(id: string, attempt: number, endedAt: number): number
}

interface Followed {
  followers: number
  attempt: number
  /** In milliseconds since 1970; undefined while no runner has the command. */
  startedAt: number | undefined
}

export class CommandStarts {
  readonly #followed = new Map<string, Followed>()

  of(workspace: string): WorkspaceStarts {
    // No name of a workspace contains a slash.
    const keyOf = (id: string) => `${workspace}/${id}`
    return {
      follow: ({ id, attempt, started_at }) =>
        this.#follow(keyOf(id), attempt, started_at === null ? undefined : Date.parse(started_at)),
      note: (id, attempt, startedAt) => this.#note(keyOf(id), attempt, startedAt),
      ranMs: (id, attempt, endedAt) => this.#ranMs(keyOf(id), attempt, endedAt),
    }
  }

  #follow(key: string, attempt: number, startedAt: number | undefined): () => void {
    const followed = this.#followed.get(key) ?? { followers: 0, attempt: 0, startedAt: undefined }
    followed.followers += 1
    this.#followed.set(key, followed)
    this.#note(key, attempt, startedAt)
    let released = false
    return () => {
      if (released) return
      released = true
      followed.followers -= 1
      if (followed.followers === 0) this.#followed.delete(key)
    }
  }

  #note(key: string, attempt: number, startedAt: number | undefined): void {
    const followed = this.#followed.get(key)
    if (!followed || attempt < followed.attempt) return
    if (attempt === followed.attempt && startedAt !== undefined) return
    followed.attempt = attempt
    followed.startedAt = startedAt
  }

  #ranMs(key: string, attempt: number, endedAt: number): number {
    const followed = this.#followed.get(key)
    if (followed?.attempt !== attempt || followed.startedAt === undefined) return 0
    return Math.max(0, Math.round(endedAt - followed.startedAt))
  }
}
