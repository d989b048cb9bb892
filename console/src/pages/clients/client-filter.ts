/** What the lists of clients have in common: their filter, and that they are read again every few seconds. */
import { useEvery } from '../../api/use-every.ts'

export interface ClientFilter {
  readonly stream: string
  readonly principal: string
}

const REFRESH_MS = 5_000

export function useRefresh(reload: () => void): void {
  useEvery(REFRESH_MS, reload)
}
