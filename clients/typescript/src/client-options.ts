/** What an application can ask of a client. */
import type { Credentials } from './credentials.js'

export interface ClientOptions {
  /** The gateway, with the prefix of an application that embeds it: `https://events.example.com`. In a page, '' is its own origin. */
  readonly url: string | URL
  /** A token, an API key or a ticket, or a function that gets one. Default: none. */
  readonly credentials?: Credentials | undefined
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined
  /** Whether requests to another origin carry cookies, which tickets need there. Default false. */
  readonly withCredentials?: boolean | undefined
  /** How often a request is sent, if it is safe to repeat it, before it fails with a GaveUpError. Default 6. */
  readonly attempts?: number | undefined
  /** The delay after the first failure in milliseconds. Default 1000. */
  readonly retry?: number | undefined
  /** The longest delay in milliseconds, unless `retry` or what the server asks for is longer than two thirds of it. Default 30000. */
  readonly max?: number | undefined
  /** How long a request may take in milliseconds; streams are not limited. Default 30000. */
  readonly timeout?: number | undefined
  /** How long before the credentials expire the client gets new ones, in milliseconds. Default 60000. */
  readonly renewBefore?: number | undefined
  /** How long a gateway may take to confirm a renewal on the stream, before the client reconnects. Default 10000 ms. */
  readonly confirmWithin?: number | undefined
}
