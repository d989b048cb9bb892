/** The headers that an admin adds to the requests of a webhook. */
import { headerFault } from './sending/endpoint-headers.js'
import { invalidMember } from './webhook-problem.js'

/**
 * @returns the headers by their names in lower case, in alphabetical order.
 * @throws {Problem} 400 `invalid-request` for a header that it cannot have, or that is given twice. The text of the
 *   problem quotes no value.
 */
export function ownHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(given)) {
    const fault = headerFault(name, value)
    if (fault !== undefined) throw invalidMember('headers', fault)
    const lower = name.toLowerCase()
    if (headers.has(lower))
      throw invalidMember('headers', `The header ${lower} is there twice. Send it once.`)
    headers.set(lower, value)
  }
  return Object.fromEntries([...headers].sort(([one], [other]) => (one < other ? -1 : 1)))
}
