/** The script of the SharedWorker. A page names it by its URL (README.md, Tabs). */
import { Host } from './host.js'
import { portLink } from './link.js'
import type { ToHost, ToTab } from './messages.js'

const host = new Host()
addEventListener('connect', event => {
  const [port] = event instanceof MessageEvent ? event.ports : []
  if (port) host.add(portLink<ToHost, ToTab>(port))
})
