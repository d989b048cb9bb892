/**
 * The measured figures that the simulation extrapolates from; docs/scaling.md says where each comes from. Two shared processors,
 * Node 20, PostgreSQL 18, all on loopback: replace them with those of your machine.
 */
export const FIGURES = {
  /**
   * CPU of a gateway for a client that returns, ms: at first, when V8 has not compiled that path, and later. From 666 and 4,000 clients
   * that returned to two gateways after a third one was killed.
   */
  opening: { coldMs: 1.1, coldOpenings: 400, warmMs: 0.37 },
  /** CPU of a gateway for a delivery to one client, ms, at 2,000 clients (`fan-out`). */
  deliveryMs: 0.009,
  /** CPU of a gateway for one heartbeat of one client, ms, at 10,000 clients (`idle`). */
  heartbeatMs: 0.021,
  /** Resident memory of a gateway without clients, and of each client that keeps up, bytes, at 10,000 clients (`idle`). */
  memory: { gateway: 126e6, client: 13_100 },
  /** CPU of Postgres to look at one followed stream in a poll, ms, at 5,000 streams (docs/performance.md, "Many streams"). */
  pollMs: 0.0013,
  /** CPU of Postgres for a tailer's read of one stream that has not grown, ms, at 10^6 events in 1,000 streams (`layouts`). */
  tailMs: 0.0035,
} as const
