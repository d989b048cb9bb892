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

export interface CredentialSource {
  readonly canRefresh: boolean
  /** The header with the current ones; undefined for a ticket, which opens streams only. */
  authorization(): string | undefined
  /** @returns credentials that have not expired, as far as that can be seen; undefined if the client has none. */
  current(): Promise<Credential | undefined>
  /** Gets new credentials, or those of the refresh that is already running. */
  refresh(): Promise<void>
  /**
   * The server has refused the credentials that were sent as this header: the next request gets new ones, unless the client already
   * has them. @returns whether it can.
   */
  expire(sent: string | undefined): boolean
  /** When they end (milliseconds since 1970); NaN if that cannot be seen. */
  expiresAt(): number
  /** When to get new ones (milliseconds since 1970), or halfway to the end of a shorter time; NaN if that cannot be seen. */
  renewAt(): number
}

/** @param early how long before they expire the client gets new ones, in milliseconds. */
export function credentialSource(given: Credentials | undefined, early = 60_000): CredentialSource {
  const canRefresh = typeof given === 'function'
  let current = canRefresh ? undefined : given
  /** When the client got the current ones. */
  let since = Date.now()
  let refreshing: Promise<void> | undefined

  const authorization = () => {
    const token = typeof current === 'object' && 'token' in current ? current.token : current
    return typeof token === 'string' ? `Bearer ${token}` : undefined
  }

  const expiresAt = (): number => {
    if (typeof current === 'object' && 'token' in current && current.expiresAt !== undefined)
      return current.expiresAt
    try {
      // The claims of a JWT, unverified; an API key has none.
      const claims = authorization()?.split('.')[1]?.replace(/-/g, '+').replace(/_/g, '/') ?? ''
      return JSON.parse(atob(claims)).exp * 1_000
    } catch {
      return Number.NaN
    }
  }

  const source = {
    canRefresh,
    authorization,
    expiresAt,
    async current() {
      if (canRefresh && (!current || source.renewAt() <= Date.now())) {
        await source.refresh().catch(error => {
          // They may be good for a while yet.
          if (!current || expiresAt() <= Date.now()) throw error
        })
      }
      return current
    },
    async refresh() {
      if (!canRefresh) return
      refreshing ??= (async () => {
        current = await given()
        since = Date.now()
      })().finally(() => {
        refreshing = undefined
      })
      await refreshing
    },
    expire(sent: string | undefined) {
      if (canRefresh && sent === authorization()) current = undefined
      return canRefresh
    },
    renewAt() {
      return expiresAt() - Math.min(early, Math.max(expiresAt() - since, 0) / 2)
    },
  }
  return source
}
