/** The sender as the deliverer uses it: one POST of one message to one endpoint, signed and in the endpoint's form. */
import type { Endpoint } from '../endpoint.js'
import { type Message, requestOf } from '../sending/message.js'
import type { Outcome } from '../sending/outcome.js'
import type { Sender as RequestSender } from '../sending/sender.js'

export interface Sender {
  /**
   * Never rejects.
   * @param attempt 1 for the first.
   * @param signal aborts when the lease is lost, or the process ends: the request is cut.
   */
  send(endpoint: Endpoint, message: Message, attempt: number, signal: AbortSignal): Promise<Outcome>
}

/** @param source the CloudEvents `source` of a stream. */
export function signingSender(
  sender: Pick<RequestSender, 'send'>,
  source: (workspace: string, stream: string) => string,
): Sender {
  return {
    async send(endpoint, message, attempt, signal) {
      const { workspace, stream } = endpoint
      const request = requestOf(endpoint, message, { attempt, source: source(workspace, stream) })
      return await sender.send({ ...request, signal })
    },
  }
}
