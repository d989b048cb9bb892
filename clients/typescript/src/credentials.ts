/** The credentials of a client: given once, or by a function that gets new ones. Never more than one refresh runs at a time. */

/**
 * A token (JWT) or an API key. Both are sent as `Authorization: Bearer`, which no redirect carries to another origin. Without
 * `expiresAt` (milliseconds since 1970), the client reads the `exp` of a JWT.
 */
export type BearerCredentials = string | { readonly token: string; readonly expiresAt?: number | undefined }
/** A ticket, for environments that cannot hold a token. It opens streams only; each is good for one connection outside of browsers. */
export interface TicketCredentials {
  readonly ticket: string
}
export type Credential = BearerCredentials | TicketCredentials
/**
 * A function is called before the first request, before the credentials expire (the `exp` of a token), and once when the server
 * refuses them with 401.
 */
export type Credentials = Credential | (() => Credential | Promise<Credential>)

/** A refresh takes its time, and clocks differ: the gateway tolerates 5 s. */
const EARLY_MS = 60_000

export class CredentialSource {
  #current: Credential | undefined
  /** When the client got the current ones. */
  #since = Date.now()
  #refreshing: Promise<Credential> | undefined

  /** @param early how long before they expire the client gets new ones, in milliseconds. */
  constructor(
    readonly given: Credentials | undefined,
    readonly early = EARLY_MS,
  ) {
    if (typeof given !== 'function') this.#current = given
  }

  get canRefresh(): boolean {
    return typeof this.given === 'function'
  }

  /** @returns credentials that have not expired, as far as that can be seen; undefined if the client has none. */
  async current(): Promise<Credential | undefined> {
    const isDue = this.#current === undefined || (this.renewAt() ?? Number.POSITIVE_INFINITY) <= Date.now()
    return this.canRefresh && isDue ? await this.refresh() : this.#current
  }

  /** Gets new credentials, or those of the refresh that is already running. Without a function: the ones given. */
  async refresh(): Promise<Credential | undefined> {
    const { given } = this
    if (typeof given !== 'function') return given
    this.#refreshing ??= (async () => {
      this.#current = await given()
      this.#since = Date.now()
      return this.#current
    })().finally(() => {
      this.#refreshing = undefined
    })
    return await this.#refreshing
  }

  /** The token or key of the current ones; undefined for a ticket. */
  get bearer(): string | undefined {
    const current = this.#current
    if (typeof current === 'string' || current === undefined) return current
    return 'token' in current ? current.token : undefined
  }

  /** When to get new ones (milliseconds since 1970), which is earlier for a token with a short life; undefined if that cannot be seen. */
  renewAt(): number | undefined {
    const end = this.#expiresAt()
    return end === undefined ? undefined : end - Math.min(this.early, Math.max(end - this.#since, 0) / 5)
  }

  #expiresAt(): number | undefined {
    const current = this.#current
    if (typeof current === 'object' && 'expiresAt' in current) return current.expiresAt
    const exp = claimsOf(this.bearer ?? '')?.exp
    return typeof exp === 'number' ? exp * 1_000 : undefined
  }
}

/** The claims of a JWT, unverified; undefined for any other text. */
function claimsOf(token: string): { exp?: unknown } | undefined {
  const [, payload] = token.split('.')
  if (!payload) return undefined
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
    return typeof claims === 'object' && claims !== null ? claims : undefined
  } catch {
    return undefined
  }
}
