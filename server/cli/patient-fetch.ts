/** fetch for requests that are repeated: it says once per outage, on standard error, that the gateway does not answer. */
import { explainedFetch, remedyOf } from './gateway-failure.js'
import type { Output } from './terminal.js'

/** Whether a client of the gateway sends a request with this answer again (docs/clients.md). */
const isRepeated = (status: number) => [408, 425, 429].includes(status) || status >= 500

export function patientFetch(url: string, err: Output): typeof fetch {
  let isTold = false
  const tell = async (reason: string, remedy = '') => {
    if (isTold) return
    isTold = true
    // Replaces the line of a progress bar.
    if (err.isTerminal) await err.write('\r\u001b[K')
    await err.line(`No answer yet from ${url} (${reason}); trying again.${remedy}`)
  }
  return async (input, init) => {
    try {
      const response = await explainedFetch(input, init)
      if (isRepeated(response.status)) await tell(`status ${response.status}`)
      else isTold = false
      return response
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (init?.signal?.aborted !== true) await tell(reason, ` ${remedyOf(reason)}`)
      throw error
    }
  }
}
