/** Cursors in IndexedDB: in a database of their own, or in the application's database beside its rows. */
import type { CursorStore, CursorStores, TransactionStore } from '../cursor-store.js'
import { type BrowserCursorOptions, reportingOnce } from './report-once.js'

const DATABASE = 'sluice'
const CURSORS = 'cursors'

/** In the database `sluice` of the origin. The stores never reject. */
export function indexedDbCursor(options: BrowserCursorOptions = {}): CursorStores {
  let opened: Promise<IDBDatabase> | undefined
  const open = () => {
    opened ??= openOwn().catch(error => {
      opened = undefined
      throw error
    })
    return opened
  }
  return reportingOnce(
    key => ({
      load: async () => load(await open(), CURSORS, key),
      async save(id) {
        const transaction = (await open()).transaction(CURSORS, 'readwrite')
        transaction.objectStore(CURSORS).put(id, key)
        await commit(transaction)
      },
    }),
    options,
  )
}

export interface TransactionalCursorOptions {
  /** The application's database. */
  readonly database: IDBDatabase
  /** The object stores that the handler uses. */
  readonly stores: readonly string[]
  /** The object store for cursors, without a key path: `database.createObjectStore('cursors')`. Default: `cursors`. */
  readonly cursors?: string
}

/**
 * Exactly once: the handler's writes and the cursor take effect in one transaction, or not at all. The handler may await only requests
 * of that transaction, because IndexedDB commits a transaction that waits for nothing. A failure of the database ends the feed.
 */
export function indexedDbTransactions(
  options: TransactionalCursorOptions,
): (key: string) => TransactionStore<IDBTransaction> {
  const { database, stores, cursors = CURSORS } = options
  return key => ({
    load: () => load(database, cursors, key),
    async transaction(id, work) {
      const transaction = database.transaction([...stores, cursors], 'readwrite')
      const committed = commit(transaction)
      try {
        await work(transaction)
        transaction.objectStore(cursors).put(id, key)
      } catch (error) {
        abort(transaction)
        await committed.catch(() => {})
        throw error
      }
      await committed
    },
  })
}

async function load(database: IDBDatabase, cursors: string, key: string): ReturnType<CursorStore['load']> {
  const id: unknown = await resultOf(database.transaction(cursors).objectStore(cursors).get(key))
  return typeof id === 'string' ? id : undefined
}

function openOwn(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1)
  request.onupgradeneeded = () => request.result.createObjectStore(CURSORS)
  return resultOf(request)
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function commit(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'))
  })
}

/** A transaction that has already ended cannot be aborted. */
function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort()
  } catch {}
}
