/** Writes a generated history to a file: `node …/generated-file.js FILE SEED EVENTS CLIENTS`. A process of its own, whose memory nobody counts. */
import { generateHistory } from './generated-history.js'
import { HistoryWriter } from './history-file.js'

const [path = '', seed, events, clients] = process.argv.slice(2)
const writer = new HistoryWriter(path)
for (const entry of generateHistory({
  seed: Number(seed),
  events: Number(events),
  clients: Number(clients),
})) {
  writer.write(entry)
  await writer.drained()
}
await writer.close()
