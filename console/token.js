/** The token: taken from the URL or the form, kept in this tab until it is closed. */
/** One origin may hold several gateways, each under a path of its own. */
const KEY = location.pathname === '/' ? 'sluice.token' : `sluice.token:${location.pathname}`

/** The token of this tab, or null. A token in the URL (`#token=…`) replaces a stored one. */
export function readToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    // In the address bar it would get into bookmarks, screenshots and the history.
    history.replaceState(null, '', location.pathname + location.search)
    keepToken(given)
  }
  return sessionStorage.getItem(KEY)
}

export function keepToken(token) {
  sessionStorage.setItem(KEY, token)
}

export function forgetToken() {
  sessionStorage.removeItem(KEY)
}

/** The claims of a JWT; empty for any other text. Only for display: the gateway verifies the token. */
export function claimsOf(token) {
  try {
    const text = atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, char => char.charCodeAt(0))))
    return typeof claims === 'object' && claims !== null ? claims : {}
  } catch {
    return {}
  }
}
