/**
 * The measured figures that the simulation extrapolates from; docs/scaling.md names the bench and the day of each. Two shared
 * processors, Node 20, PostgreSQL 18, all on loopback. Replace them with those of your machine.
 */
export const FIGURES = {
  /** CPU of a gateway to open a stream, ms: in a process that has just started, and later (`docs/performance.md`, A request). */
  opening: { coldMs: 0.46, coldOpenings: 400, warmMs: 0.11 },
  /** CPU of a gateway for a delivery to one client, ms, at 2,000 clients (`fan-out`). */
  deliveryMs: 0.009,
  /** CPU of a gateway for one heartbeat of one client, ms (`idle`). */
  heartbeatMs: 0.018,
  /** Resident memory of a gateway without clients, and of each client that keeps up, bytes (`idle`). */
  memory: { gateway: 100e6, client: 9_000 },
  /** CPU of Postgres: to look at one followed stream in a poll, ms (`streams`). */
  pollMs: 0.0031,
} as const
