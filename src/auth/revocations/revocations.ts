/**
 * The revocations in force, in memory, so that the check of every request costs no query. A revocation that is made or removed
 * is applied on its own, at a cost that does not depend on the number of others. The same change may be applied repeatedly.
 */
import type { Principal } from '../principal.js'

/** One revocation. Times are in milliseconds since 1970; `expiresAt` is Infinity if it never expires. */
export interface RevocationInForce {
  readonly id: string
  readonly workspace: string
  readonly subject: string | null
  readonly token_id: string | null
  readonly at: number
  readonly expiresAt: number
}

type Term = Pick<RevocationInForce, 'id' | 'at' | 'expiresAt'>

/** Up to this number of revocations of a workspace, expired ones are not removed. */
const FEW = 100

class OfWorkspace {
  /** By `subject <id>`, `token <id>`, or '' for the whole workspace. */
  readonly #terms = new Map<string, Term[]>()
  readonly #ids = new Set<string>()
  #pruneAt = FEW

  of(name: string): readonly Term[] {
    return this.#terms.get(name) ?? []
  }

  add(name: string, term: Term, now: number): void {
    if (this.#ids.has(term.id)) return
    this.#ids.add(term.id)
    const known = this.#terms.get(name)
    if (known) known.push(term)
    else this.#terms.set(name, [term])
    if (this.#ids.size >= this.#pruneAt) this.#prune(now)
  }

  remove(name: string, id: string): void {
    if (this.#ids.has(id)) this.#keep(name, term => term.id !== id)
  }

  /** Removes expired revocations each time the number has doubled, so the amortised cost of an addition is constant. */
  #prune(now: number): void {
    for (const name of this.#terms.keys()) this.#keep(name, ({ expiresAt }) => now < expiresAt)
    this.#pruneAt = Math.max(FEW, 2 * this.#ids.size)
  }

  #keep(name: string, good: (term: Term) => boolean): void {
    const kept: Term[] = []
    for (const term of this.of(name)) {
      if (good(term)) kept.push(term)
      else this.#ids.delete(term.id)
    }
    if (kept.length > 0) this.#terms.set(name, kept)
    else this.#terms.delete(name)
  }
}

export class Revocations {
  readonly #workspaces = new Map<string, OfWorkspace>()

  constructor(inForce: Iterable<RevocationInForce>) {
    for (const revocation of inForce) this.add(revocation)
  }

  add(revocation: RevocationInForce, now = Date.now()): void {
    const { workspace, id, at, expiresAt } = revocation
    const own = this.#workspaces.get(workspace) ?? new OfWorkspace()
    this.#workspaces.set(workspace, own)
    own.add(nameOf(revocation), { id, at, expiresAt }, now)
  }

  remove(revocation: Pick<RevocationInForce, 'id' | 'workspace' | 'subject' | 'token_id'>): void {
    this.#workspaces.get(revocation.workspace)?.remove(nameOf(revocation), revocation.id)
  }

  /** Whether the credentials of this principal have been revoked. */
  concerns({ workspace, id, issuedAt, credential }: Principal, now = Date.now()): boolean {
    const own = this.#workspaces.get(workspace)
    if (!own) return false
    // `iat` has whole seconds: a token of the same second may be older than the revocation, so it counts as older.
    const issued = credential.kind === 'token' ? Math.floor(issuedAt / 1_000) * 1_000 : issuedAt
    const inForce = ({ expiresAt }: Term) => now < expiresAt
    const ofBefore = (term: Term) => inForce(term) && issued <= term.at
    return (
      own.of('').some(ofBefore) ||
      own.of(`subject ${id}`).some(ofBefore) ||
      (credential.id !== undefined && own.of(`token ${credential.id}`).some(inForce))
    )
  }
}

function nameOf({ subject, token_id }: Pick<RevocationInForce, 'subject' | 'token_id'>): string {
  if (subject !== null) return `subject ${subject}`
  return token_id === null ? '' : `token ${token_id}`
}
