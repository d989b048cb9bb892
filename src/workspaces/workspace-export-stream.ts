/** A workspace export as a stream of bytes, which reads on when its reader has taken what is there. */
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import type { Database } from '../database/pool.js'
import type { Reach } from '../database/workspace.js'
import { exportWorkspace } from './workspace-export.js'

/** Destroying the stream ends the export and its transaction, or its wait for one. An export that fails destroys the stream. */
export function workspaceExportStream(database: Database, within: Reach, onEnd: () => void): Readable {
  const lines = new PassThrough({ highWaterMark: 1 })
  const closed = new AbortController()
  lines.once('close', () => closed.abort())
  const write = async (text: string) => {
    if (!lines.write(text)) await once(lines, 'drain', { signal: closed.signal })
  }
  void exportWorkspace(database, { ...within, gone: closed.signal }, write)
    .then(
      () => lines.end(),
      error => lines.destroy(error),
    )
    .finally(onEnd)
  return lines
}
