/** A name server on loopback (RFC 1035, UDP) whose answers the test decides, one by one. */
import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import type { Test } from 'tap'

/** Addresses of both families, of which those are sent that are asked for; or a fault. */
export type NameAnswer = readonly string[] | 'unknown' | 'broken' | 'silent'

const TYPES: Readonly<Record<number, 4 | 6>> = { 1: 4, 28: 6 }
const CODES = { unknown: 3, broken: 2 } as const
const HEADER_BYTES = 12

export interface NameServer {
  /** `address:port`, for a resolver. */
  readonly address: string
  /** Questions for IPv4 addresses so far. */
  readonly questions: string[]
}

/** @param answer of a question; asked for each family. */
export async function startNameServer(
  t: Test,
  answer: (name: string, family: 4 | 6) => NameAnswer,
): Promise<NameServer> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const questions: string[] = []
  socket.on('message', (query: Buffer, { address, port }: RemoteInfo) => {
    const { name, end } = nameIn(query)
    const family = TYPES[query.readUInt16BE(end)]
    if (family === 4) questions.push(name)
    const given = family ? answer(name, family) : []
    if (given !== 'silent') socket.send(replyTo(query, end + 4, given, family), port, address)
  })
  return { address: `127.0.0.1:${socket.address().port}`, questions }
}

function nameIn(query: Buffer): { name: string; end: number } {
  const labels: string[] = []
  let at = HEADER_BYTES
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

function replyTo(
  query: Buffer,
  end: number,
  answer: Exclude<NameAnswer, 'silent'>,
  family: 4 | 6 | undefined,
) {
  const code = typeof answer === 'string' ? CODES[answer] : 0
  const addresses = typeof answer === 'string' ? [] : answer.filter(each => isIPv4(each) === (family === 4))
  const header = Buffer.from(query.subarray(0, HEADER_BYTES))
  // A response, recursion available, with the code; one question, the answers, nothing else.
  header.writeUInt16BE(0x8180 | code, 2)
  header.writeUInt16BE(addresses.length, 6)
  header.writeUInt32BE(0, 8)
  return Buffer.concat([header, query.subarray(HEADER_BYTES, end), ...addresses.map(recordOf)])
}

/** The name of the question, the type, class IN, a time to live of 0, the address. */
function recordOf(address: string): Buffer {
  const bytes = isIPv4(address) ? address.split('.').map(Number) : bytesOfIPv6(address)
  const type = isIPv4(address) ? 1 : 28
  return Buffer.from([0xc0, HEADER_BYTES, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length, ...bytes])
}

function bytesOfIPv6(address: string): number[] {
  const [head = '', tail = ''] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
  const [first, last] = [groups(head), groups(tail)]
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last].flatMap(group => [
    group >> 8,
    group & 255,
  ])
}
