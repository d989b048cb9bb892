/** A slot of an open stream, and the limits that it counts for. */

export const STREAM_LIMITS = ['principal', 'workspace', 'address'] as const
export type StreamLimit = (typeof STREAM_LIMITS)[number]

/** Maximum number of streams per key. 0 = unlimited. */
export type StreamCaps = Readonly<Record<StreamLimit, number>>

export interface StreamHolder {
  readonly workspace: string
  /** The id of the principal. */
  readonly id: string
  readonly address: string
}

export interface StreamSlot {
  /** Releasing twice has no effect. */
  release(): void
  /**
   * Called once if all processes together hold more streams than a cap, and this is one of the newest. The stream must then end.
   * A slot without this function stays, because its holder ends soon anyway.
   */
  onWithdrawn?: ((limit: StreamLimit) => void) | undefined
}
