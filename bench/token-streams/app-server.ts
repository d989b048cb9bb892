/**
 * The part that an application needs beside resumable-stream to let browsers resume: a route that sends the text that
 * it gets from Redis.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'iovalkey'
import { createResumableStreamContext } from 'resumable-stream/generic'

const url = process.argv[2] ?? ''
const context = createResumableStreamContext({
  waitUntil: null,
  publisher: new Redis(url),
  subscriber: new Redis(url),
})

const server = createServer(async (request, response) => {
  try {
    const stream = await context.resumeExistingStream((request.url ?? '').slice(1))
    if (!stream) throw new Error('There is no such stream.')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for await (const text of stream) response.write(text)
    response.end()
  } catch (error) {
    response.destroy(error instanceof Error ? error : undefined)
  }
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
