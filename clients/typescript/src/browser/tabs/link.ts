/** A way for messages between a tab and the host. */
import type { ToHost, ToTab } from './messages.js'

/** Messages arrive in the order in which they were posted. A link does not notice that its other end is gone. */
export interface Link<In, Out> {
  post(message: Out): void
  /** Set once, by the side that reads. */
  listener: ((message: In) => void) | undefined
  close(): void
}

export type HostLink = Link<ToTab, ToHost>
export type TabLink = Link<ToHost, ToTab>

/** A link over one end of a MessageChannel, or the port of a SharedWorker. */
export function portLink<In, Out>(port: MessagePort): Link<In, Out> {
  const link: Link<In, Out> = {
    post: message => port.postMessage(message),
    listener: undefined,
    close() {
      port.onmessage = null
      port.close()
    },
  }
  port.onmessage = ({ data }: MessageEvent<In>) => link.listener?.(data)
  return link
}

/** @returns both ends of a link inside one page. */
export function pair(): readonly [HostLink, TabLink] {
  const { port1, port2 } = new MessageChannel()
  return [portLink(port1), portLink(port2)]
}
