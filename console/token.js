/** The token: handed over in the address or by the form, kept in this tab until it is closed. */
const KEY = 'sluice.token'

/** The token of this tab, or null. One in the address (`#token=…`) takes the place of one that was kept. */
export function readToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    // Left in the address bar it would get into bookmarks, screenshots and the history.
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

/** What a JWT says about its bearer; empty for anything else. For show only: the gateway is who checks it. */
export function claimsOf(token) {
  try {
    const text = atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, char => char.charCodeAt(0))))
    return typeof claims === 'object' && claims !== null ? claims : {}
  } catch {
    return {}
  }
}
