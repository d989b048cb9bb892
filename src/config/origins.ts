/** The origins of web pages that may call (Fetch, §3.2), as the configuration lists them. */
import { ConfigError } from './config.js'

/** Scheme, host and port. Schemes of desktop shells (`tauri://localhost`) are origins too. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*,]+$/

/**
 * @param list origins separated by commas.
 * @throws {ConfigError} one line per entry that no browser would ever send, or that would admit every page.
 */
export function parseOrigins(list: string): string[] {
  const origins = list
    .split(',')
    .map(entry => entry.trim())
    .filter(entry => entry !== '')
  const faults = origins.filter(origin => canonical(origin) !== origin).map(faultOf)
  if (faults.length > 0) throw new ConfigError(faults)
  return origins
}

/** The origin as browsers write it: lower case, without the default port; undefined if the text is not an origin. */
function canonical(text: string): string | undefined {
  if (!ORIGIN.test(text.toLowerCase()) || !URL.canParse(text)) return undefined
  const { origin } = new URL(text)
  return origin === 'null' ? text.toLowerCase() : origin
}

function faultOf(text: string): string {
  const suggestion = URL.canParse(text) ? canonical(new URL(text).origin) : undefined
  return `CORS_ORIGINS: ${text} is not an exact origin. Write ${suggestion ?? 'scheme://host or scheme://host:port'}.`
}
