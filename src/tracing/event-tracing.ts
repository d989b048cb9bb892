/** The steps that the rooms on the path of an event report to a trace, if the process takes part in traces at all. */

/**
 * A step on the path of events: their group commit, the tailer's read of them, the delivery to the live clients of their stream, one
 * request to the receiver of a webhook.
 */
export type Step = 'append' | 'read' | 'deliver' | 'webhook'

export interface Traced {
  readonly traceparent?: string | null | undefined
}

export interface EventTracing {
  /**
   * Records a step that has just ended, if one of its events belongs to a trace that is sampled. Must not throw.
   * @param startedAt of performance.now().
   * @param figures such as the number of clients.
   */
  step(
    step: Step,
    events: readonly Traced[],
    startedAt: number,
    figures?: Readonly<Record<string, number>>,
  ): void
}
