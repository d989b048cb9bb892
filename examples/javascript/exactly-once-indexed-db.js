// Copies events into IndexedDB, each exactly once: the row and the cursor are committed together.
import { createClient } from 'sluice-client'
import { indexedDbTransactions } from 'sluice-client/indexed-db-cursor'

/** @param client made by `createClient`, or by `createTabClient`. @returns when the feed has ended. */
export async function copyDoors(client) {
  const database = await openDatabase()
  const store = indexedDbTransactions({ database, stores: ['doors'] })
  await client.feed({ types: ['door.opened'], from: 'beginning' }).each((event, transaction) => {
    transaction.objectStore('doors').add(event.data, event.id)
  }, store)
}

export const connect = (url, token) => createClient({ url, credentials: () => token })

function openDatabase() {
  const request = indexedDB.open('doors', 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore('doors')
    request.result.createObjectStore('cursors')
  }
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
