/** Whether browsers reach the gateway with TLS and HTTP/2: over HTTP/1.1 a browser opens six connections, and each stream takes one. */
import { connect } from 'node:tls'
import { type Finding, fault, ok, warning } from './finding.js'
import { reasonOf } from './gateway-probe.js'

const CHECK = 'gateway-transport'
const HANDSHAKE_MS = 5_000
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
const EXPIRES_SOON_MS = 14 * 86_400_000

export interface TransportFacts {
  /** The protocol that the server chose from h2 and http/1.1 (ALPN, RFC 7301); false: none. */
  readonly protocol: string | false | null
  /** When its certificate expires, in ms since 1970. */
  readonly validTo: number
}

export async function checkTransport(url: URL): Promise<Finding> {
  if (url.protocol !== 'https:') return judgePlain(url)
  try {
    return judgeTransport(await handshake(url), Date.now())
  } catch (error) {
    return fault(
      CHECK,
      `The TLS handshake with ${url.host} fails: ${reasonOf(error)}.`,
      'Check the certificate: its names, its date, and that the chain is complete.',
    )
  }
}

export function judgePlain(url: URL): Finding {
  return LOOPBACK.test(url.hostname)
    ? ok(
        CHECK,
        'The URL leads to this machine. Run doctor with the public URL too: then it sees the way of the clients.',
      )
    : warning(
        CHECK,
        `${url.host} is reached without TLS: credentials can be read on the way, and browsers open six streams at most.`,
        'Terminate TLS with HTTP/2 at the proxy.',
      )
}

export function judgeTransport({ protocol, validTo }: TransportFacts, now: number): Finding {
  if (validTo - now < EXPIRES_SOON_MS) {
    return warning(
      CHECK,
      `The certificate expires on ${new Date(validTo).toISOString().slice(0, 10)}.`,
      'Renew it.',
    )
  }
  return protocol === 'h2'
    ? ok(CHECK, 'TLS with HTTP/2: a browser can open many streams.')
    : warning(
        CHECK,
        'TLS without HTTP/2: a browser opens six streams at most for all its tabs.',
        'Switch HTTP/2 on at the proxy (nginx: listen 443 ssl http2; HAProxy: alpn h2,http/1.1).',
      )
}

function handshake(url: URL): Promise<TransportFacts> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(url.port || 443),
      servername: /[a-z]/i.test(host) && !host.includes(':') ? host : '',
      ALPNProtocols: ['h2', 'http/1.1'],
      timeout: HANDSHAKE_MS,
    })
    socket.once('secureConnect', () => {
      resolve({ protocol: socket.alpnProtocol, validTo: Date.parse(socket.getPeerCertificate().valid_to) })
      socket.destroy()
    })
    socket.once('timeout', () => socket.destroy(new Error('no answer in time')))
    socket.once('error', reject)
  })
}
