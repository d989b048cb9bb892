/** Whether the address of a client can be believed: where anybody may say what it is, rules about it protect nothing. */

/** Of nobody: RFC 5737 keeps them for documentation. */
const STRANGER = '203.0.113.1'
const INVENTED = '198.51.100.1'

/**
 * Whether the server that took this request takes a stranger's word for an address, as Fastify's `trustProxy` does when it
 * is `true`, or a function or a range that lets everybody through. Fastify does not tell what it was given, so a request of a
 * stranger is held before it.
 */
export function believesAnybody(request: { readonly ip: string }): boolean {
  const raw = { socket: { remoteAddress: STRANGER }, headers: { 'x-forwarded-for': INVENTED } }
  const probe: { readonly ip: string } = Object.create(request, { raw: { value: raw } })
  return probe.ip === INVENTED
}
