/** Cursors in `localStorage` or `sessionStorage`. */
import type { CursorStores } from '../cursor-store.js'
import { type BrowserCursorOptions, reportingOnce } from './report-once.js'

export interface WebStorageCursorOptions extends BrowserCursorOptions {
  /**
   * Called at each use, because a browser that blocks storage throws when a page merely reads the name. Default: `() => localStorage`,
   * which all tabs of the origin share. `() => sessionStorage` belongs to one tab and survives its reloads.
   */
  readonly storage?: () => Pick<Storage, 'getItem' | 'setItem'>
}

/** The stores never reject. */
export function webStorageCursor(options: WebStorageCursorOptions = {}): CursorStores {
  const { storage = () => localStorage } = options
  return reportingOnce(
    key => ({
      load: async () => storage().getItem(key) ?? undefined,
      save: async id => storage().setItem(key, id),
    }),
    options,
  )
}
