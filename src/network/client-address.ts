/**
 * Whether the address of a client can be trusted. If any caller can choose its address, rules about addresses protect
 * nothing.
 */

/** An address that nobody has: RFC 5737 reserves it for documentation. */
const STRANGER = '203.0.113.1'
const INVENTED = '198.51.100.1'

/**
 * Whether the server that received this request trusts a stranger's `X-Forwarded-For`, as Fastify does if
 * `trustProxy` is `true`, or a function or range that admits everybody. Fastify does not expose its setting, so this
 * function gives it a stranger's request.
 */
export function believesAnybody(request: { readonly ip: string }): boolean {
  return trustsPeer(request, STRANGER)
}

/** Whether the server of this request, or of requests with this prototype, trusts the `X-Forwarded-For` of a peer. */
export function trustsPeer(request: { readonly ip: string }, peer: string | undefined): boolean {
  const raw = { socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': INVENTED } }
  const probe: { readonly ip: string } = Object.create(request, { raw: { value: raw } })
  return probe.ip === INVENTED
}
