/** The options of `reply.follow`, and the request as the hub sees it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { reachOf } from '../src/auth/grants/reach.js'
import type { StreamGrant } from '../src/auth/grants/stream-grant.js'
import { flatText } from '../src/bytes/flat-text.js'
import { ClientPresence } from '../src/http/client-disconnect.js'
import type { ClientIdentity } from '../src/hub/client-identity.js'
import type { Cursor } from '../src/hub/cursor.js'
import type { StreamRequest } from '../src/hub/stream-admission.js'
import { echoOfBroughtId } from '../src/sse/brought-id.js'
import type { Encoding } from '../src/sse/encoding.js'

/** The stream belongs to the principal's workspace. */
export interface FollowRequest
  extends Pick<
    StreamRequest,
    'stream' | 'encoding' | 'from' | 'filter' | 'opening' | 'maxFollowers' | 'window'
  > {
  /** The API whose form the client uses; default `sluice`. */
  readonly dialect?: string
  /** The noun of a 404; default `stream`. */
  readonly what?: 'job' | undefined
  /** Finds the stream, once the request is charged to the client; until then, `stream` may be another name. Default: it is `stream`. */
  readonly locate?: () => Promise<Located>
  /** Answers a client that has all of a stream that has ended; default: 204. */
  readonly atEnd?: ((end: Cursor) => FastifyReply) | undefined
  /** The request was charged to the client's rate limit already. */
  readonly isCharged?: true
  /** Types that the client's grants must include; default: none, and the client gets the events of granted types. */
  readonly types?: readonly string[]
}

export type Located = Pick<StreamRequest, 'stream' | 'filter'>

/**
 * A class, so that all requests have one shape: V8 gives each object literal with getters a shape of its own,
 * which costs CPU at each opening.
 */
export class FollowedStream implements StreamRequest {
  readonly workspace: string
  readonly streams: StreamRequest['streams']
  readonly encoding: Encoding
  readonly from: StreamRequest['from']
  readonly opening: StreamRequest['opening']
  readonly maxFollowers: number | undefined
  readonly window: StreamRequest['window']
  readonly broughtId: string | undefined
  readonly ignored: readonly string[] | undefined
  /** Known once the client is authorized. */
  located: Located
  granted: StreamGrant | undefined
  readonly #request: FastifyRequest
  readonly #dialect: string
  readonly #presence: ClientPresence

  constructor(
    { request, raw }: FastifyReply,
    followed: FollowRequest,
    ignored: readonly string[] | undefined,
  ) {
    const { workspace, streams } = reachOf(request.principal)
    this.workspace = workspace
    this.streams = streams
    this.encoding = followed.encoding
    this.from = followed.from
    this.opening = followed.opening
    this.maxFollowers = followed.maxFollowers
    this.window = followed.window
    this.broughtId = echoOfBroughtId(request)
    this.ignored = ignored
    this.located = followed
    this.granted = undefined
    this.#request = request
    this.#dialect = followed.dialect ?? 'sluice'
    this.#presence = new ClientPresence(raw)
  }

  get stream() {
    return this.located.stream
  }

  get filter() {
    return this.granted ? this.granted.within(this.located.filter) : this.located.filter
  }

  get gone() {
    return this.#presence.signal
  }

  get hasGone() {
    return this.#presence.hasGone
  }

  get client(): ClientIdentity {
    const { principal, ip, id } = this.#request
    return {
      workspace: principal.workspace,
      principal: principal.id,
      role: principal.role,
      credential: principal.credential.id,
      address: ip,
      requestId: flatText(id),
      stream: this.stream,
      dialect: this.#dialect,
      encoding: this.encoding.name,
      wanted: this.located.filter,
      granted: this.granted?.within(undefined),
      consumer: this.window?.()?.consumer,
    }
  }
}
