/** The common part of the lists of clients: their filter, and that they are read again every few seconds. */
import { useEvery } from '../../api/use-every.ts'

export interface ClientFilter {
  readonly stream: string
  readonly principal: string
}

const REFRESH_MS = 5_000

export function useRefresh(reload: () => void): void {
  useEvery(REFRESH_MS, reload)
}

/** The subject of the title of an empty list. */
export function noClient({ stream, principal }: ClientFilter): string {
  return stream || principal ? 'No such client' : 'No client'
}
