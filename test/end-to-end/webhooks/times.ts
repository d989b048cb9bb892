/** The times of the gateways under test, in milliseconds. Their program loads nothing of tap, which would end it after 30 s. */

/** More attempts than any event needs. */
const ATTEMPTS = 10_000

export const TIMES = {
  webhookPausesMs: Array.from({ length: ATTEMPTS }, (_, n) => Math.min(800, 100 * 2 ** n)),
  webhookLeaseMs: 3_000,
  webhookTimeoutMs: 1_000,
  webhookBreakerMs: 500,
}
