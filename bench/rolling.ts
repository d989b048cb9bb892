/** The cost of a deploy: all gateways of a cluster are replaced, one after the other, under their clients. */
import { openFilesLimit } from './process-usage.js'
import { rollingDeploy } from './rolling-deploy.js'
import type { Row, Size } from './row.js'
import { round } from './statistics.js'

const CLIENTS = { default: [1_000, 10_000], full: [1_000, 5_000, 10_000, 15_000] }
/** Files that a process has open in addition to its clients. */
const OTHER_FILES = 200

export async function rolling(size: Size): Promise<Row[]> {
  const most = (await openFilesLimit()) - OTHER_FILES
  const rows: Row[] = []
  for (const clients of CLIENTS[size].filter(count => count <= most)) {
    const { seconds, events, faults, behind, connects, refusals, ...reads } = await rollingDeploy({ clients })
    if (faults.length > 0 || behind > 0) throw new Error(`${faults[0] ?? ''} ${behind} clients are behind.`)
    for (const [index, each] of connects.entries())
      console.log(`gateway ${index + 1}, connects by second: ${Array.from(each, of => of ?? 0).join(' ')}`)
    rows.push({
      clients,
      gateways: connects.length,
      seconds: round(seconds),
      events,
      'most connects/s to one': Math.max(...connects.flatMap(each => Array.from(each, of => of ?? 0))),
      connects: connects.flat().reduce((sum, of) => sum + (of ?? 0), 0),
      refused: refusals,
      'log reads for clients': reads.clientReads,
      'tailer reads': reads.tailerReads,
    })
  }
  return rows
}
