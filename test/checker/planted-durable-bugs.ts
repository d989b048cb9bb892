/** Bugs of clients that name their places by positions, and of producers with numbers: as planted-bugs.ts. */
import {
  placesOf,
  withBeyond,
  withBlind,
  withBlindWorker,
  withDoubted,
  withFenced,
  withPlaceInUrl,
  withTwins,
} from './clean-durable-histories.js'
import { change, changed, frames, type PlantedBug, without } from './planted-bugs.js'
import { of } from './planted-work-bugs.js'

export const PLANTED_DURABLE_BUGS: readonly PlantedBug[] = [
  change('a client passes over a loss although it brings the id of its event', ['silent-loss'], h => {
    const all = withBlind(h)
    const open = of(all, 'open').findLast(({ c }) => c === 'blind')
    return changed(all, open, each => ({ ...each, id: placesOf(h).lost[0]?.id }))
  }),
  change('a client brings its position alone, and loses an event of the new history', ['gap'], h => {
    const all = withBlind(h)
    return without(all, [frames(all, 'blind')[1]])
  }),
  change('a client brings its position alone, and gets the end of the lost history', ['silent-loss'], h => {
    const all = withBlind(h)
    const [, lost] = placesOf(h).lost
    return changed(all, frames(all, 'blind').at(-1), each => ({ ...each, id: lost?.id, h: lost?.h.sse }))
  }),
  change('a client hears that the log does not know its position, and it does', ['reset-untrue'], h => {
    const all = withBeyond(h)
    const { fork, lost } = placesOf(h)
    const ids = new Set(lost.map(({ id }) => id))
    const seen = frames(all, 'beyond').filter(({ id }) => ids.has(id))
    const open = of(all, 'open').findLast(({ c, n }) => c === 'beyond' && n === 2)
    return changed(without(all, seen), open, each => ({ ...each, id: fork.split('.')[0] }))
  }),
  change('a client hears that its event is lost, and it is not', ['reset-untrue'], h => {
    const all = withDoubted(h)
    const open = of(all, 'open').findLast(({ c, n }) => c === 'doubted' && n === 2)
    return changed(all, open, each => ({ ...each, id: placesOf(h).stored[0]?.id }))
  }),
  change('a client is refused without the id that it brought', ['cursor-missing'], h =>
    withPlaceInUrl(h).map(each =>
      each.k === 'client' && each.client === 'by its URL' ? { ...each, form: 'sse' } : each,
    ),
  ),
  change('a lost event that was sent again is passed over', ['gap'], h => {
    const all = withTwins(h)
    return without(all, [frames(all, 'by two positions')[1]])
  }),
  change('a lost event that was sent again is passed over after another one', ['gap'], h => {
    const all = withTwins(h)
    return without(all, [frames(all, 'by a position after an id')[1]])
  }),
  change('a client gets a reset after an event that no failover has taken', ['reset-untrue'], h => {
    const all = withTwins(h)
    const [first] = placesOf(all).lost
    return changed(all, first, each => ({ ...each, h: { ...each.h, sse: 'abababababab' } }))
  }),
  change('a position has other bytes', ['bytes'], h => {
    const all = withTwins(h)
    return changed(all, frames(all, 'by a position alone')[0], each => ({ ...each, h: 'ffffffffffff' }))
  }),
  change('a worker never gets an event, and no position of a lost one was acknowledged', ['gap'], h => {
    const all = withBlindWorker(h)
    return changed(all, of(all, 'consumer').at(-1), ({ isBlind: _, ...each }) => each)
  }),
  change('an append with an old epoch is stored', ['undone-stored'], h =>
    withFenced(h).map(each =>
      each.k === 'fault' && each.fault === 'lost-tail' ? { ...each, stream: 'acme/feed' } : each,
    ),
  ),
  change('an append is refused as one of an old epoch, and only that is said', ['publish-failed'], h =>
    withFenced(h).map(each =>
      each.k === 'outcome' && each.publish === 'late' ? { ...each, why: 'refused' } : each,
    ),
  ),
]
