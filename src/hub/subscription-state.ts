/**
 * The states of a subscription, and the only transitions between them.
 *
 *                 head-reached
 * catching-up ──────────────────▶ live          catching-up, live ── closed ──▶ closed
 *   │  ▲  ▲                         │
 *   └──┘  └─────────────────────────┘
 * rewound,  backpressure, gap, rewound
 * reset
 *
 * **catching-up**: the subscription reads the events after its cursor, from the recent frames or else from the log, and
 *   writes them as fast as its sink drains. Each catching-up state is a value of its own: events that were read in one must
 *   not be written in the next, because the cursor has moved in between.
 * **live**: the cursor is the head of the stream. The subscription is a member of a fan-out group, which hands it each
 *   payload, until it leaves the group.
 * **closed**: the response has ended, or the client has disconnected. Nothing is written any more.
 */
export type SubscriptionState =
  | {
      readonly name: 'catching-up'
      /** When it was opened, or last live, in ms since 1970. */
      readonly since: number
    }
  | {
      readonly name: 'live'
      /** In ms since 1970. */
      readonly since: number
      /** Leaves the fan-out group. */
      readonly leave: () => void
    }
  | { readonly name: 'closed'; readonly before: Exclude<SubscriptionState, { name: 'closed' }> }

export type SubscriptionInput =
  /** The cursor is the head of the stream, and the subscription has joined its fan-out group. */
  | { readonly name: 'head-reached'; readonly leave: () => void }
  /** The sink has reached its high-water mark (src/sse/sink.ts). */
  | { readonly name: 'backpressure' }
  /** A delivery does not continue the cursor. */
  | { readonly name: 'gap' }
  /** The log has lost the cursor, which has gone back to the last place that the client knows. */
  | { readonly name: 'rewound' }
  /** The log has lost that place, too: the client got `reset`, and the cursor is the head that the log has now. */
  | { readonly name: 'reset' }
  | { readonly name: 'closed' }

export function initialState(now = Date.now()): SubscriptionState {
  return { name: 'catching-up', since: now }
}

/** @returns the same object where the input changes nothing. */
export function transition(
  state: SubscriptionState,
  input: SubscriptionInput,
  now = Date.now(),
): SubscriptionState {
  if (state.name === 'closed') return state
  switch (input.name) {
    case 'head-reached':
      return state.name === 'catching-up' ? { name: 'live', since: now, leave: input.leave } : state
    // A subscription that catches up waits for its sink anyway, and reads from its cursor.
    case 'backpressure':
    case 'gap':
      return state.name === 'live' ? { name: 'catching-up', since: now } : state
    case 'rewound':
      return { name: 'catching-up', since: state.name === 'live' ? now : state.since }
    // A live subscription is at the head again, and stays in its group.
    case 'reset':
      return state.name === 'live' ? state : { name: 'catching-up', since: state.since }
    case 'closed':
      return { name: 'closed', before: state }
  }
}
