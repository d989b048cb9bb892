/** The state of a live stream, as a pill and in words. */
import { Countdown } from '../pieces/countdown.tsx'
import type { StreamState } from './stream-client.ts'

const MODES: Readonly<Record<string, string>> = {
  normal: 'Live',
  degraded: 'Live, degraded',
  maintenance: 'Live, maintenance',
  draining: 'Gateway is stopping',
}

export function StreamStatePill({ state }: { state: StreamState }) {
  const tone = state.name === 'live' && state.mode !== 'normal' ? state.mode : state.name
  return (
    <p class="state" role="status" data-state={tone}>
      <StateText state={state} />
    </p>
  )
}

function StateText({ state }: { state: StreamState }) {
  switch (state.name) {
    case 'connecting':
      return <>Connecting</>
    case 'behind':
      return <>Behind by {state.missing.toLocaleString('en')}</>
    case 'live':
      return <>{MODES[state.mode] ?? 'Live'}</>
    case 'reconnecting':
      return (
        <>
          Reconnecting&nbsp;
          <span aria-hidden="true">
            <Countdown until={state.at} />
          </span>
        </>
      )
    case 'refused':
      return <>Refused</>
    case 'ended':
      return <>Ended</>
  }
}
