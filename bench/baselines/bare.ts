/**
 * A bare Node server that writes each event to each client with `res.write(string)`. No database, no tokens, no
 * replay: nothing that Sluice adds.
 */
import { frameOf, serve } from './publishing.js'

let position = 0

serve((ticks, write) => {
  for (const { type, data } of ticks) {
    position += 1
    write(frameOf(position, type, JSON.stringify(data)))
  }
})
