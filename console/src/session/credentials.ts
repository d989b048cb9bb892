/**
 * The credentials of this tab, kept until it is closed: a token or an API key. They are in no address, no cookie and no other
 * tab. `#token=…` in the address, as the banner of the gateway prints it, is taken in and removed at once.
 */

/** One origin may hold several gateways, each under a path of its own. */
const KEY = location.pathname === '/' ? 'sluice.token' : `sluice.token:${location.pathname}`
const API_KEY = /^slk_/

/** The credentials of this tab, or undefined. A token in the address replaces the ones before. */
export function readCredentials(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    // In the address bar it would get into bookmarks, screenshots and the history.
    history.replaceState(null, '', location.pathname + location.search)
    keepCredentials(given)
  }
  return sessionStorage.getItem(KEY) ?? undefined
}

export function keepCredentials(credentials: string): void {
  sessionStorage.setItem(KEY, credentials)
}

export function forgetCredentials(): void {
  sessionStorage.removeItem(KEY)
}

/** The credentials in a pasted text: a token, a key, a link with `#token=…`, or the line `VIEWER_TOKEN=…` of the banner. */
export function credentialsIn(pasted: string): string {
  const text = pasted.trim()
  const link = /[#?&]token=([^&\s]+)/.exec(text)
  if (link?.[1]) return link[1]
  return text.replace(/^(?:(?:VIEWER|EDITOR)_TOKEN=|Bearer )/, '').trim()
}

/** The header that carries them. */
export function headersOf(credentials: string): Record<string, string> {
  return API_KEY.test(credentials) ? { 'x-api-key': credentials } : { authorization: `Bearer ${credentials}` }
}
