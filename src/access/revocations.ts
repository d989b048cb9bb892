/** The revocations that are in force, in memory: every request asks them, so asking costs no query. */
import type { Principal } from '../auth/principal.js'
import type { RevocationInForce } from './revocation-rows.js'

/** Milliseconds since 1970. */
interface Term {
  readonly at: number
  readonly expiresAt: number
}

interface OfWorkspace {
  readonly all: Term[]
  readonly subjects: Map<string, Term[]>
  readonly tokens: Map<string, Term[]>
}

export class Revocations {
  readonly #workspaces = new Map<string, OfWorkspace>()

  constructor(inForce: readonly RevocationInForce[]) {
    for (const { workspace, subject, token_id, at, expires_at } of inForce) {
      const term = { at: at.getTime(), expiresAt: expires_at?.getTime() ?? Number.POSITIVE_INFINITY }
      const own: OfWorkspace = this.#workspaces.get(workspace) ?? {
        ...{ all: [], subjects: new Map(), tokens: new Map() },
      }
      this.#workspaces.set(workspace, own)
      if (subject !== null) add(own.subjects, subject, term)
      else if (token_id !== null) add(own.tokens, token_id, term)
      else own.all.push(term)
    }
  }

  /** Whether the credentials of this principal have been revoked. */
  concerns({ workspace, id, issuedAt, credential }: Principal, now = Date.now()): boolean {
    const own = this.#workspaces.get(workspace)
    if (!own) return false
    // Tokens know whole seconds: one of the very second may be of before, and is taken to be.
    const issued = credential.kind === 'token' ? Math.floor(issuedAt / 1_000) * 1_000 : issuedAt
    const inForce = ({ expiresAt }: Term) => now < expiresAt
    const ofBefore = (term: Term) => inForce(term) && issued <= term.at
    return (
      own.all.some(ofBefore) ||
      (own.subjects.get(id)?.some(ofBefore) ?? false) ||
      (credential.id !== undefined && (own.tokens.get(credential.id)?.some(inForce) ?? false))
    )
  }
}

function add(terms: Map<string, Term[]>, name: string, term: Term): void {
  const known = terms.get(name)
  if (known) known.push(term)
  else terms.set(name, [term])
}
