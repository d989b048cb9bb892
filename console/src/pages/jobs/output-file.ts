/** The output of a job as a text file: plain text, so that no terminal obeys it later. */
import type { Api } from '../../api/api.ts'
import { saveFile } from '../../pieces/save-file.ts'
import type { StreamEvent } from '../../stream/stream-client.ts'
import { plainText } from '../../terminal/terminal.ts'
import { JobOutput } from './job-output.ts'

interface EventPage {
  readonly events: readonly StreamEvent[]
  readonly next: string
  readonly head: string
}

const PAGE = 1_000

/** From memory if all of it is there; otherwise page by page from the gateway. */
export async function saveOutput(api: Api, id: string, { terminal }: JobOutput): Promise<void> {
  const rows = Array.from({ length: terminal.length }, (_, index) => terminal.row(index))
  const kept = rows.filter(row => row !== undefined)
  const parts = terminal.dropped === 0 ? [plainText(kept)] : await readOutput(api, id)
  // Each line begins with its line break, so the first one is not part of the file.
  const [first = '', ...others] = parts
  saveFile(
    new Blob([first.replace(/^\n/, ''), ...others, '\n'], { type: 'text/plain;charset=utf-8' }),
    `job-${id}.txt`,
  )
}

async function readOutput(api: Api, id: string): Promise<string[]> {
  const output = new JobOutput()
  const parts: string[] = []
  for (let after = '0', head = ''; after !== head; ) {
    const response = await api.request(`api/jobs/${encodeURIComponent(id)}/events`, {
      query: { after, limit: PAGE },
      headers: { accept: 'application/json' },
    })
    const page: EventPage = await response.json()
    for (const event of page.events) output.take(event)
    parts.push(plainText(output.terminal.drain()))
    if (page.next === after) break
    after = page.next
    head = page.head
  }
  return parts
}
