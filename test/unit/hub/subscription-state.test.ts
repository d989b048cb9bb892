import t from 'tap'
import {
  initialState,
  type SubscriptionInput,
  type SubscriptionState,
  transition,
} from '../../../src/hub/subscription-state.js'

const BEGUN = { name: 'catching-up', since: 1 } as const
const STATES = {
  'catching-up': BEGUN,
  live: { name: 'live', since: 2, leave: () => {} },
  closed: { name: 'closed', before: BEGUN },
} as const satisfies { [Name in SubscriptionState['name']]: SubscriptionState & { name: Name } }

const INPUTS = {
  'head-reached': { name: 'head-reached', leave: () => {} },
  backpressure: { name: 'backpressure' },
  gap: { name: 'gap' },
  rewound: { name: 'rewound' },
  reset: { name: 'reset' },
  closed: { name: 'closed' },
} as const satisfies { [Name in SubscriptionInput['name']]: SubscriptionInput & { name: Name } }

/** `same`: the same state object; a name: another state object, even if it has the same name as before. */
type Row = Readonly<Record<SubscriptionState['name'], 'same' | SubscriptionState['name']>>

const TABLE: Readonly<Record<SubscriptionInput['name'], Row>> = {
  'head-reached': { 'catching-up': 'live', live: 'same', closed: 'same' },
  backpressure: { 'catching-up': 'same', live: 'catching-up', closed: 'same' },
  gap: { 'catching-up': 'same', live: 'catching-up', closed: 'same' },
  rewound: { 'catching-up': 'catching-up', live: 'catching-up', closed: 'same' },
  reset: { 'catching-up': 'catching-up', live: 'same', closed: 'same' },
  closed: { 'catching-up': 'closed', live: 'closed', closed: 'same' },
}

t.test('each input leads from each state to the one of the table', async t => {
  for (const input of Object.values(INPUTS)) {
    for (const state of Object.values(STATES)) {
      const expected = TABLE[input.name][state.name]
      const next = transition(state, input)

      t.equal(next === state ? 'same' : next.name, expected, `${state.name}, ${input.name}`)
    }
  }
})

t.test('a subscription begins catching up, and a live state can leave its fan-out group', async t => {
  const begun = initialState()
  t.equal(begun.name, 'catching-up')

  t.match(transition(begun, INPUTS['head-reached']), { name: 'live', leave: INPUTS['head-reached'].leave })
})

t.test('a state says since when the client is live or behind, and a closed one which it was', async t => {
  const { live } = STATES

  t.match(
    [
      transition(BEGUN, INPUTS['head-reached'], 3),
      transition(live, INPUTS.backpressure, 3),
      transition(BEGUN, INPUTS.rewound, 3),
      transition(BEGUN, INPUTS.reset, 3),
      transition(live, INPUTS.rewound, 3),
      transition(live, INPUTS.closed, 3),
    ],
    [{ since: 3 }, { since: 3 }, { since: 1 }, { since: 1 }, { since: 3 }, { before: live }],
  )
})
