/** The items of the workspace and their revisions. */
import type { Item, ItemPatch, NewItem, NewRevision, Revision } from './catalogue.js'
import { Listing } from './listing.js'
import type { Gateway } from './requests.js'

export interface ItemQuery {
  readonly item_type?: string | undefined
  /** Text anywhere in the part number or the description. */
  readonly search?: string | undefined
  /** Entries on a page: 1 to 200, default 100. */
  readonly limit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ChangeOptions {
  /** The `etag` that the change is based on: if the item has changed since, a RefusedError with the code `precondition-failed`. */
  readonly ifMatch?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Changes are sent once, not repeated: after a lost answer, read the item. */
export class Items {
  constructor(readonly gateway: Gateway) {}

  list({ signal, ...query }: ItemQuery = {}): Listing<Item> {
    return new Listing(this.gateway, '/api/items', 'items', query, signal)
  }

  /** @returns the item; `head` is the newest event of the feed that it includes. */
  async get(
    partNumber: string,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Item & { readonly head: string }> {
    const { body, headers } = await this.gateway.request<Item>('GET', pathOf(partNumber), { signal })
    return { ...body, head: headers.get('x-sluice-head') ?? '' }
  }

  async create(item: NewItem, { signal }: { signal?: AbortSignal } = {}): Promise<Item> {
    return (await this.gateway.request<Item>('POST', '/api/items', { body: item, signal })).body
  }

  /** Replaces the given fields; `properties` as a whole. */
  async update(partNumber: string, patch: ItemPatch, { ifMatch, signal }: ChangeOptions = {}): Promise<Item> {
    const headers = matching(ifMatch)
    return (await this.gateway.request<Item>('PATCH', pathOf(partNumber), { body: patch, headers, signal }))
      .body
  }

  async delete(partNumber: string, { ifMatch, signal }: ChangeOptions = {}): Promise<void> {
    await this.gateway.request('DELETE', pathOf(partNumber), { headers: matching(ifMatch), signal })
  }

  /** Newest first. */
  revisions(
    partNumber: string,
    { signal, limit }: { signal?: AbortSignal; limit?: number } = {},
  ): Listing<Revision> {
    return new Listing(this.gateway, `${pathOf(partNumber)}/revisions`, 'revisions', { limit }, signal)
  }

  /** Releases the item under its next revision. */
  async release(
    partNumber: string,
    revision: NewRevision,
    { ifMatch, signal }: ChangeOptions = {},
  ): Promise<Revision> {
    const options = { body: revision, headers: matching(ifMatch), signal }
    return (await this.gateway.request<Revision>('POST', `${pathOf(partNumber)}/revisions`, options)).body
  }
}

function pathOf(partNumber: string): string {
  return `/api/items/${encodeURIComponent(partNumber)}`
}

function matching(etag: string | undefined): Record<string, string> {
  return etag === undefined ? {} : { 'If-Match': etag }
}
