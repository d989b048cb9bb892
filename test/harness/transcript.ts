/** All bytes of a stream, compared with a transcript that was reviewed by hand. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { type EventStream, openStream } from './event-stream.js'
import { as } from './gateway.js'

const FOLDER = join(packageRoot, 'test', 'integration', 'dialects', 'golden')

/** Opens a stream as a viewer of acme; `id` as one that comes back with it. */
export function watch(t: Test, url: string, id?: string): Promise<EventStream> {
  return openStream(t, url, {
    headers: { ...as('viewer'), ...(id !== undefined && { 'last-event-id': id }) },
  })
}

/** The complete stream, after the gateway has ended it. */
export async function transcriptOf(stream: EventStream): Promise<string> {
  if (!(await stream.ended())) throw new Error('The stream was cut off.')
  const { statusCode, headers } = stream.response
  return masked(`HTTP/1.1 ${statusCode}\ncontent-type: ${headers['content-type']}\n\n${stream.text()}`)
}

/** What differs from one run to the next: checks of ids, UUIDs, times, delays, signatures. */
export function masked(text: string): string {
  return (
    text
      .replace(/\b(\d+)\.[a-z2-7]{6}\b/g, '$1.check')
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'uuid')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time')
      .replace(/^retry: \d+$/gm, 'retry: ms')
      // The duration of a command that was cancelled; a runner reports its own.
      .replace(/"duration_ms":\d+,"reason"/g, '"duration_ms":ms,"reason"')
      .replace(/expires=\d+&signature=[\w-]+/g, 'expires=seconds&signature=hmac')
  )
}

export function golden(name: string): string {
  return readFileSync(join(FOLDER, `${name}.txt`), 'utf8')
}

/** With SLUICE_UPDATE_GOLDEN=1 it writes the transcript anew. Review the difference before you commit it. */
export function matchesGolden(t: Test, name: string, transcript: string): void {
  const file = join(FOLDER, `${name}.txt`)
  if (process.env.SLUICE_UPDATE_GOLDEN === '1') writeFileSync(file, transcript)
  t.equal(transcript, golden(name), name)
}
