/** `sluice-client/react`: hooks for React 18 and later. */
export type { Status } from './stream-status.js'
export { type UsedFeed, type UseFeedOptions, useFeed } from './use-feed.js'
export { type UsedJob, useJob } from './use-job.js'
