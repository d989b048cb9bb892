/** What a gateway process tells its clients about itself, in `server.state` and in GET /ready. */
export const MODES = ['normal', 'degraded', 'maintenance', 'draining'] as const
export type Mode = (typeof MODES)[number]
