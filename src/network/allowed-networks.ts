/** The networks of WEBHOOK_ALLOWED_NETWORKS: inner networks that requests to URLs of callers may reach. */
import { type AddressRange, parseRange } from './address-range.js'

/** @param text CIDR ranges and addresses, separated by commas. Entries that `networkFaults` reports are left out. */
export function parseNetworks(text: string): AddressRange[] {
  return entriesIn(text).flatMap(entry => parseRange(entry) ?? [])
}

/** The faults of the list, as lines of a ConfigError. */
export function networkFaults(name: string, text: string): string[] {
  return entriesIn(text)
    .filter(entry => parseRange(entry) === undefined)
    .map(
      entry =>
        `${name}: ${JSON.stringify(entry.slice(0, 80))} is no address and no CIDR range without bits after its prefix. Write 10.0.0.2 or 10.0.0.0/24.`,
    )
}

function entriesIn(text: string): string[] {
  return text
    .split(',')
    .map(entry => entry.trim())
    .filter(entry => entry !== '')
}
