/**
 * The storage of a browser can fail at any time: a full quota, a private window, storage that the user has blocked. The cursor then
 * lasts only as long as the page, the stream continues, and `report` gets the first failure.
 */
import type { CursorStore, CursorStores } from '../cursor-store.js'

export interface BrowserCursorOptions {
  /** Receives the first failure of the storage. Default: nobody. */
  readonly report?: ((error: Error) => void) | undefined
}

/** @returns stores over those of `storesOf` that never reject. */
export function reportingOnce(storesOf: CursorStores, { report }: BrowserCursorOptions): CursorStores {
  /** Cursors that could not be saved. */
  const unsaved = new Map<string, string>()
  let reported = false
  const failed = (error: unknown) => {
    if (!reported) report?.(error instanceof Error ? error : new Error(String(error)))
    reported = true
  }
  return key => {
    const store: CursorStore = storesOf(key)
    return {
      async load() {
        return unsaved.get(key) ?? (await store.load().catch(failed)) ?? undefined
      },
      async save(id) {
        try {
          await store.save(id)
          unsaved.delete(key)
        } catch (error) {
          unsaved.set(key, id)
          failed(error)
        }
      },
    }
  }
}
