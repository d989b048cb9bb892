/**
 * Whether a request comes from a page of the gateway's own origin, as far as the browser says so: browsers attach a cookie to
 * requests that any page makes. Programs say nothing, and are not deceived into sending a cookie.
 */
export interface OriginHeaders {
  /** `Sec-Fetch-Site`, which pages cannot set. Browsers send it over HTTPS and to localhost. */
  readonly site: string | undefined
  /** `Origin`. Browsers send it with every request to another origin whose response a page could read. */
  readonly origin: string | undefined
  /** The host that the client requested, with its port. */
  readonly host: string
}

export function isSameOrigin({ site, origin, host }: OriginHeaders): boolean {
  // `none`: the user opened the URL.
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host)
}
