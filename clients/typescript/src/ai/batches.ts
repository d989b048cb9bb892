/**
 * From a source of items to batches of them: at most one batch is on its way, the next one collects meanwhile, and the source is asked
 * for nothing while that one is full.
 */
import { pause } from '../back-off.js'

export interface BatchLimits {
  /** How long the first item of a batch waits for others, in milliseconds. Default 20. */
  readonly maxDelayMs?: number | undefined
  /** A batch of this many characters or bytes is sent at once. Default 65536. */
  readonly maxBatchSize?: number | undefined
}

export type SourceEnd =
  | { readonly how: 'finished' | 'cancelled' | 'left' }
  | { readonly how: 'failed'; readonly error: unknown }

export interface Pump<Item> {
  /** Called once. If it fails, the source has failed. */
  readonly start: () => AsyncIterable<unknown> | Promise<AsyncIterable<unknown>>
  /** @throws if a value of the source cannot be an item: the source has then failed. */
  readonly encode: (value: unknown) => Item
  /** The items that follow the last one of a source, by how it has ended. */
  readonly endItems: (end: SourceEnd) => readonly Item[]
  /** Stores a batch; nothing further is sent if it returns false. `isLast`: the source has ended, and was not left. */
  readonly send: (items: readonly Item[], isLast: boolean) => Promise<boolean>
  /** Aborted by a cancel. The source is then not waited for; nor after `left`. */
  readonly cancelled: AbortSignal
  readonly left: AbortSignal
}

/** @returns how the source has ended; undefined if `send` has returned false first. The source is closed in any case. */
export async function pump<Item extends { readonly length: number }>(
  { start, encode, endItems, send, cancelled, left }: Pump<Item>,
  { maxDelayMs = 20, maxBatchSize = 65_536 }: BatchLimits = {},
): Promise<SourceEnd | undefined> {
  let waiting: Item[] = []
  let size = 0
  /** When the first of the waiting items has arrived. */
  let since = 0
  let end: SourceEnd | undefined
  let isStopped = false
  /** Aborted when the batch need not wait any longer. */
  let ripe = new AbortController()
  const work = new Gate()
  const room = new Gate()

  const add = (item: Item) => {
    if (waiting.push(item) === 1) since = Date.now()
    size += item.length
    if (size >= maxBatchSize) ripe.abort()
    work.open()
  }
  const isOver = () => isStopped || cancelled.aborted || left.aborted
  const pull = async (): Promise<SourceEnd> => {
    let iterator: AsyncIterator<unknown> | undefined
    try {
      iterator = (await start())[Symbol.asyncIterator]()
      while (!isOver()) {
        if (size >= maxBatchSize) {
          await room.opened()
          continue
        }
        const next = await unless(stopped, iterator.next())
        if (!next || isOver()) break
        if (next.done) return { how: 'finished' }
        add(encode(next.value))
      }
    } catch (error) {
      // A source that is aborted may fail because of that.
      if (!isOver()) {
        close(iterator)
        return { how: 'failed', error }
      }
    }
    close(iterator)
    return { how: cancelled.aborted ? 'cancelled' : 'left' }
  }

  const stopped = new Interrupt()
  const stop = () => {
    stopped.interrupt()
    room.open()
  }
  for (const signal of [cancelled, left]) signal.addEventListener('abort', stop)
  const pulling = pull().then(ended => {
    for (const item of endItems(ended)) add(item)
    end = ended
    ripe.abort()
    work.open()
  })
  try {
    for (;;) {
      while (waiting.length === 0 && !end) await work.opened()
      if (!end && size < maxBatchSize) await pause(since + maxDelayMs - Date.now(), ripe.signal)
      const ended: SourceEnd | undefined = end
      const batch = waiting
      waiting = []
      size = 0
      ripe = new AbortController()
      room.open()
      const isLast = ended !== undefined && ended.how !== 'left'
      if ((batch.length > 0 || isLast) && !(await send(batch, isLast))) return undefined
      if (ended) return ended
    }
  } finally {
    isStopped = true
    stop()
    for (const signal of [cancelled, left]) signal.removeEventListener('abort', stop)
    await pulling
  }
}

/** A source that is in `next` ends when that settles: nobody waits for it. */
function close(iterator: AsyncIterator<unknown> | undefined): void {
  iterator?.return?.().catch(() => {})
}

/** Lets one wait at a time end early. Promise.race with one promise for all waits would keep a reaction of each of them. */
class Interrupt {
  #isInterrupted = false
  onInterrupt = () => {}

  interrupt(): void {
    this.#isInterrupted = true
    this.onInterrupt()
  }

  get isInterrupted(): boolean {
    return this.#isInterrupted
  }
}

/** @returns the value of the promise, or undefined once it is interrupted. */
async function unless<T>(interrupt: Interrupt, promise: Promise<T>): Promise<T | undefined> {
  return await new Promise((resolve, reject) => {
    interrupt.onInterrupt = () => resolve(undefined)
    if (interrupt.isInterrupted) resolve(undefined)
    promise.then(resolve, reject)
  })
}

/** Lets the waiting caller go on; if none waits, the next one need not. */
class Gate {
  #isOpen = false
  #enter = () => {}

  open(): void {
    this.#isOpen = true
    this.#enter()
  }

  async opened(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#enter = resolve
      if (this.#isOpen) resolve()
    })
    this.#isOpen = false
    this.#enter = () => {}
  }
}
