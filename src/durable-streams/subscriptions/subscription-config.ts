/** The normalized configuration of a subscription, and its hash, by which a repeated creation is recognised (protocol §6.2). */
import { createHash } from 'node:crypto'
import type { NetworkPolicy } from '../../network/network-policy.js'
import { parseOutboundUrl } from '../../network/outbound-url.js'
import { type Glob, parseGlob } from './glob.js'
import { DEFAULT_LEASE_MS, type SubscriptionType } from './subscription.js'
import type { NewSubscription } from './subscription-document.js'
import { invalidSubscription } from './subscription-problem.js'

export interface SubscriptionConfig {
  readonly type: SubscriptionType
  readonly glob: Glob | undefined
  /** Sorted, each once. */
  readonly streams: readonly string[]
  readonly url: URL | undefined
  readonly wakeStream: string | undefined
  readonly leaseTtlMs: number
  readonly description: string | undefined
  /** SHA-256 in hexadecimal digits. */
  readonly hash: string
}

/** @throws {Problem} 400 for members that do not fit together, a pattern that is none, and a URL that requests must not go to. */
export function configOf(given: NewSubscription, policy: NetworkPolicy): SubscriptionConfig {
  const { type, webhook, wake_stream: wakeStream, lease_ttl_ms: leaseTtlMs = DEFAULT_LEASE_MS } = given
  const streams = [...new Set(given.streams ?? [])].sort()
  const glob = given.pattern === undefined ? undefined : globOf(given.pattern)
  if (!glob && streams.length === 0) {
    throw invalidSubscription('pattern', 'Give a pattern, or at least one of streams.')
  }
  if (type === 'webhook' && wakeStream !== undefined) {
    throw invalidSubscription('wake_stream', 'A webhook has no wake stream. Leave it out, or use pull-wake.')
  }
  if (type === 'pull-wake' && webhook) {
    throw invalidSubscription('webhook', 'Only the type webhook has a URL. Leave it out.')
  }
  if (type === 'pull-wake' && wakeStream === undefined) {
    throw invalidSubscription('wake_stream', 'The type pull-wake needs a stream that wakes are written to.')
  }
  if (wakeStream !== undefined && streams.includes(wakeStream)) {
    throw invalidSubscription('streams', 'The wake stream would wake its own subscription. Leave it out.')
  }
  const url = type === 'webhook' ? urlOf(webhook?.url, policy) : undefined
  const { description } = given
  const hashed = [
    type,
    glob?.pattern ?? null,
    streams,
    url?.href ?? null,
    wakeStream ?? null,
    leaseTtlMs,
    description ?? null,
  ]
  const hash = createHash('sha256').update(JSON.stringify(hashed)).digest('hex')
  return { type, glob, streams, url, wakeStream, leaseTtlMs, description, hash }
}

function globOf(pattern: string): Glob {
  const glob = parseGlob(pattern)
  if ('fault' in glob) throw invalidSubscription('pattern', glob.fault)
  return glob
}

function urlOf(text: string | undefined, policy: NetworkPolicy): URL {
  if (text === undefined) throw invalidSubscription('webhook', 'The type webhook needs a URL.')
  const url = parseOutboundUrl(text, policy)
  if ('fault' in url) throw invalidSubscription('webhook/url', url.fault, 'WEBHOOK_URL_REJECTED')
  return url.url
}
