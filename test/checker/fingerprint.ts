/** The hash by which the history names the bytes of an event: 48 bits, which are exact as a number. */
import { createHash } from 'node:crypto'

export function fingerprint(text: string): string {
  return createHash('sha1').update(text).digest('hex').slice(0, 12)
}
