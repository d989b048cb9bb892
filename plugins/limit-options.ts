/** The options of the plugin that limit callers and workspaces. Each has a variable in docs/configuration.md. */
export interface LimitOptions {
  /** Requests per minute and principal, across all processes. 0 switches off every rate limit. Default 6000. */
  readonly rateLimitMax?: number | undefined
  /** Unauthenticated requests per minute and IP address, across all processes. 0 = unlimited. Default 600. */
  readonly rateLimitAddressMax?: number | undefined
  /** Open streams per process. Further clients get `unavailable` and retry. Default 25000. */
  readonly maxStreams?: number | undefined
  /** Open streams per principal, including long polls and waiting claims. 0 = unlimited. Default 1000. */
  readonly maxStreamsPerPrincipal?: number | undefined
  /** Open streams per workspace, counted in the same way. 0 = unlimited. Default 10000. */
  readonly maxStreamsPerWorkspace?: number | undefined
  /** Open streams per IP address, counted in the same way. 0 = unlimited. Default 2000. */
  readonly maxStreamsPerAddress?: number | undefined
  /**
   * Whether these three limits hold for all processes together (`cluster`) or for each one. With `clusterMember: false` for each
   * one. Default `cluster`.
   */
  readonly streamCaps?: 'cluster' | 'process' | undefined
  /** Open streams of one run per process, beyond which clients are asked to retry. 0 = unlimited. Default 50. */
  readonly maxStreamsPerRun?: number | undefined
  /** Streams per workspace in the database, not counting the streams of jobs. 0 = unlimited. Default 10000. */
  readonly maxStoredStreamsPerWorkspace?: number | undefined
  /** Events that a workspace may have stored, those of jobs included. 0 = unlimited. Default 0. */
  readonly maxEventsPerWorkspace?: number | undefined
  /** Bytes of data that these events may have. 0 = unlimited. Default 0. */
  readonly maxBytesPerWorkspace?: number | undefined
  /** Jobs that a workspace may have stored, whatever their status. 0 = unlimited. Default 0. */
  readonly maxJobsPerWorkspace?: number | undefined
  /** Events per minute that the callers of a workspace may publish, across all processes. 0 = unlimited. Default 0. */
  readonly maxEventsPerMinutePerWorkspace?: number | undefined
}
