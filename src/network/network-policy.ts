/** Which addresses requests to URLs of callers may go to. */
import type { AddressRange } from './address-range.js'

export interface NetworkPolicy {
  /** Networks that requests may go to although they are not public; there they may use http too. */
  readonly allowed: readonly AddressRange[]
  /** Whether requests to other networks must use https, as in production. */
  readonly httpsOnly: boolean
}
