/**
 * Reads under way, each for all callers that want the same page. A read that waits for its turn until none of them wants it any more is
 * left out: after a restart thousands of clients may have asked, left and come back before the first page is read.
 */
import type { PageFrames } from './page-frames.js'

/** Whether a caller can still use the page. */
export type IsWanted = () => boolean

interface Shared {
  readonly wanted: IsWanted[]
  readonly reading: Promise<PageFrames>
}

export class SharedReads {
  readonly #underWay = new Map<string, Shared>()

  isUnderWay(key: string): boolean {
    return this.#underWay.has(key)
  }

  /** The read of that key that is under way; undefined if there is none. */
  join(key: string, isWanted: IsWanted): Promise<PageFrames> | undefined {
    const shared = this.#underWay.get(key)
    shared?.wanted.push(isWanted)
    return shared?.reading
  }

  /**
   * @param read takes whether anybody wants the page, to be called when it is its turn.
   * @param onRead called with the page, unless the read was forgotten meanwhile.
   */
  begin(
    key: string,
    isWanted: IsWanted,
    read: (isWanted: IsWanted) => Promise<PageFrames>,
    onRead: (page: PageFrames) => void,
  ): Promise<PageFrames> {
    const wanted = [isWanted]
    const isKept = () => this.#underWay.get(key)?.wanted === wanted
    const isStillWanted = () => {
      const is = wanted.some(each => each())
      // It will have no page, so nobody may join it any more.
      if (!is && isKept()) this.#underWay.delete(key)
      return is
    }
    const reading = read(isStillWanted)
      .then(page => {
        if (isKept()) onRead(page)
        return page
      })
      .finally(() => isKept() && this.#underWay.delete(key))
    this.#underWay.set(key, { wanted, reading })
    return reading
  }

  /** Forgets the reads under way whose key matches: their results are not kept, and no further caller joins them. */
  forget(isMeant: (key: string) => boolean): void {
    for (const key of [...this.#underWay.keys()].filter(isMeant)) this.#underWay.delete(key)
  }
}
