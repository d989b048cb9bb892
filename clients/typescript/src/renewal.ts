/** Renews the credentials of an open stream before they expire, so that it need not reconnect. */
import type { Gateway } from './requests.js'

const CONFIRM_MS = 10_000
/** Between two attempts to get new credentials. */
const RETRY_MS = 5_000
/** The longest delay of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1

export interface Renewal {
  /** @param connection the name of the stream, from its first `server.state`; undefined once it has ended. */
  follow(connection: string | undefined): void
  /** The stream has said `auth-renewed`. */
  confirm(): void
  /** Whether the application handles something: what has arrived meanwhile, such as a confirmation, lies unread. */
  handle(isHandling: boolean): void
}

/**
 * States: idle → waiting for the time to renew (`follow`) → waiting for the confirmation on the stream → waiting again (`confirm`). If
 * the renewal is refused or not confirmed, `onFailure` is called: the stream reconnects, with the new credentials. While no new ones
 * can be had, it tries again; the gateway ends the stream when the current ones have expired, and confirms none that end no later.
 */
export function createRenewal(gateway: Gateway, onFailure: () => void): Renewal {
  const { source, options } = gateway
  let connection: string | undefined
  let timer: ReturnType<typeof setTimeout>
  /** When the credentials of the stream end. */
  let end = Number.NaN
  let isAwaiting = false
  let isHandling = false

  const after = (ms: number, act: () => unknown) => {
    clearTimeout(timer)
    timer = setTimeout(act, Math.min(ms, MAX_TIMER_MS))
  }
  const renew = async () => {
    const renewed = connection
    const isStill = () => renewed === connection
    try {
      await source.refresh()
    } catch {
      if (isStill()) after(RETRY_MS, renew)
      return
    }
    if (!isStill() || source.expiresAt() <= end) return
    // The stream may confirm before the answer is here.
    isAwaiting = true
    awaitConfirmation()
    await gateway
      .request('POST', `/api/streams/${renewed}/token`, { isRepeatable: true })
      .catch(() => isStill() && onFailure())
  }
  /** Nobody reads while the application handles something: then the time begins anew. */
  const awaitConfirmation = () => {
    clearTimeout(timer)
    if (!isHandling) after(options.confirmWithin ?? CONFIRM_MS, onFailure)
  }
  const confirm = () => {
    isAwaiting = false
    end = source.expiresAt()
    const at = source.renewAt()
    if (connection && source.canRefresh && at) after(at - Date.now(), renew)
  }
  return {
    confirm,
    follow(name) {
      connection = name
      clearTimeout(timer)
      confirm()
    },
    handle(is) {
      isHandling = is
      if (isAwaiting) awaitConfirmation()
    },
  }
}
