/** Bugs of clients with ids that they have made up, and other things that a lost tail takes: as planted-bugs.ts. */
import { END_MS } from './clean-histories.js'
import {
  withInvented,
  withLostClaim,
  withLostStream,
  withRefusedPage,
  withText,
} from './clean-loss-histories.js'
import type { Entry, EntryOf } from './history.js'
import { change, changed, LATER_MS, type PlantedBug, rows } from './planted-bugs.js'
import { of } from './planted-work-bugs.js'

export const PLANTED_LOSS_BUGS: readonly PlantedBug[] = [
  change('a client gets another id back than the one that it has made up', ['cursor-unknown'], h => {
    const all = withInvented(h)
    return changed(all, noticeOf(all, 'inventor', 'server.state'), each => ({ ...each, id: '7.zzzzzz' }))
  }),
  change('a client that brought a good id gets the word for a text back', ['cursor-unknown'], h =>
    opening(withText(h), 'writer', rows(h)[4]?.id ?? ''),
  ),
  change('a client that brought a good id hears that its history is lost', ['reset-untrue'], h =>
    opening(withInvented(h), 'inventor', rows(h)[4]?.id ?? ''),
  ),
  change('a client hears that its history is lost, and nobody has made up an id', ['reset-uncaused'], h =>
    withInvented(h).filter(each => each.k !== 'fault' || each.fault !== 'forged-id'),
  ),
  change('a page is refused that the log can continue', ['reset-untrue'], h =>
    opening(withRefusedPage(h), 'pager', rows(h)[30]?.id ?? ''),
  ),
  change('a page is refused for nothing', ['status'], h =>
    withRefusedPage(h).filter(each => each.k !== 'fault' || each.fault !== 'retention'),
  ),
  change('a stream is called deleted before its tail was lost', ['reset-uncaused'], h =>
    later(withLostStream(h), undefined),
  ),
  change('a stream is not found before its tail was lost', ['status'], h =>
    later(withLostStream(h), undefined),
  ),
  change('two runners claim one attempt after a tail was lost', ['job-holder'], h =>
    withLostClaim(h).map(each =>
      each.k === 'job' && each.runner === 'one' && each.job === 'acme/job:again'
        ? { ...each, t: END_MS + LATER_MS, asked: END_MS + LATER_MS }
        : each,
    ),
  ),
  change('a tail of another stream takes a claim', ['job-holder'], h =>
    later(withLostClaim(h), 'acme/orders'),
  ),
]

/** A client brings another id. */
function opening(history: readonly Entry[], c: string, id: string): Entry[] {
  return history.map(each => (each.k === 'open' && each.c === c ? { ...each, id } : each))
}

/** The last lost tail comes after everything, or in another stream. */
function later(history: readonly Entry[], stream: string | undefined): Entry[] {
  const fault = of(history, 'fault').findLast(each => each.fault === 'lost-tail')
  return changed(history, fault, each => (stream ? { ...each, stream } : { ...each, t: END_MS + LATER_MS }))
}

function noticeOf(history: readonly Entry[], c: string, name: string): EntryOf<'notice'> | undefined {
  return of(history, 'notice').find(each => each.c === c && each.name === name)
}
