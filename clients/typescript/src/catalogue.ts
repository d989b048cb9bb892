/**
 * The types of the built-in events and notices, and of the resources. Generated from the schemas of the gateway by
 * `npm run catalogue`; a later gateway may send further members.
 */

/** The data of each built-in event, by its type. */
export interface EventTypes {
  /** The data of an earlier event of the stream was erased: clients drop their copies. */
  readonly 'event.redacted': {
    readonly position: number
    readonly id: string
    readonly reason: string
    readonly at: string
  }
  /** A message, or a part of one, was appended to a durable stream; the data has one of its members. */
  readonly chunk: {
    /** A message of a JSON stream, as it was written. */
    readonly json?: Readonly<Record<string, unknown>>
    /** Bytes of a text. */
    readonly text?: string
    /** Other bytes. */
    readonly base64?: string
  }
  /** A client asks the writer of the stream to stop; a reader of the durable stream does not get it. */
  readonly 'chunk.cancel': {
    readonly reason?: string
  }
  /** A consumer or a webhook is far behind, or, with `lost`, retention has removed events that it had not acknowledged. */
  readonly 'consumer.lagging': {
    /** The name of the consumer, or the id of the webhook. */
    readonly consumer: string
    readonly kind: 'pull' | 'webhook'
    readonly stream: string
    /** Positions after its cursor. */
    readonly lag_events: number
    /** Age of the first stored event after its cursor. */
    readonly lag_seconds: number
    readonly lost: boolean
  }
  /** A webhook was paused: by an admin, because the last try of an event has failed, or because no key opens its secrets. */
  readonly 'webhook.paused': {
    readonly webhook_id: string
    readonly url_host: string
    readonly reason: 'by-admin' | 'exhausted' | 'secret-unreadable'
  }
  /** An admin has resumed a webhook; `reason` is why it was not active. */
  readonly 'webhook.resumed': {
    readonly webhook_id: string
    readonly url_host: string
    readonly reason: 'by-admin' | 'exhausted' | 'secret-unreadable' | 'gone' | 'no-success'
  }
  /** A webhook was disabled: its receiver has answered 410, or nothing has succeeded for days. */
  readonly 'webhook.disabled': {
    readonly webhook_id: string
    readonly url_host: string
    readonly reason: 'gone' | 'no-success'
  }
  /** On `presence:NAME`: a principal follows the stream NAME. */
  readonly 'presence.joined': {
    readonly principal: string
    /** Open streams on the followed stream then, of all principals. */
    readonly clients: number
  }
  /** On `presence:NAME`: a principal has not followed the stream NAME for 15 s. */
  readonly 'presence.left': {
    readonly principal: string
    /** Open streams on the followed stream then, of all principals. */
    readonly clients: number
  }
  /** An item was created, at revision 1. */
  readonly 'item.created': {
    readonly part_number: string
    readonly description: string
    readonly item_type: string
  }
  /** An item was changed, or released under its next revision. */
  readonly 'item.updated': {
    readonly part_number: string
    readonly revision: number
  }
  /** An item was deleted, with its revisions. */
  readonly 'item.deleted': {
    readonly part_number: string
  }
  /** An item was released under its next revision; `item.updated` follows. */
  readonly 'revision.created': {
    readonly part_number: string
    readonly revision_number: number
    readonly comment: string
  }
  /** A job was queued. */
  readonly 'job.created': {
    /** The id of the job. */
    readonly job_id: string
    readonly kind: string
    readonly project: string | null
    readonly title: string | null
    readonly priority: number
  }
  /** A runner claimed the job, or its creator started it without a runner. */
  readonly 'job.started': {
    /** The id of the job. */
    readonly job_id: string
    readonly attempt: number
    readonly runner: string | null
  }
  /** The runner handed the job back, or its lease expired. */
  readonly 'job.requeued': {
    /** The id of the job. */
    readonly job_id: string
    readonly attempt: number
    readonly reason: 'handed-back' | 'lease-expired'
  }
  /** The job was reported as completed. */
  readonly 'job.completed': {
    /** The id of the job. */
    readonly job_id: string
    readonly status: 'completed'
    readonly result: Readonly<Record<string, unknown>> | null
    readonly attempt: number
  }
  /** The job was reported as failed. */
  readonly 'job.failed': {
    /** The id of the job. */
    readonly job_id: string
    readonly status: 'failed'
    readonly result: Readonly<Record<string, unknown>> | null
    readonly attempt: number
  }
  /** An editor cancelled the job. */
  readonly 'job.cancelled': {
    /** The id of the job. */
    readonly job_id: string
    readonly status: 'cancelled'
    readonly result: Readonly<Record<string, unknown>> | null
    readonly attempt: number
  }
  /** Its executor or an editor gave the job up. */
  readonly 'job.aborted': {
    /** The id of the job. */
    readonly job_id: string
    readonly status: 'aborted'
    readonly result: Readonly<Record<string, unknown>> | null
    readonly attempt: number
  }
  /** The lease of the last permitted attempt expired, or no runner claimed the job in time. */
  readonly 'job.interrupted': {
    /** The id of the job. */
    readonly job_id: string
    readonly status: 'interrupted'
    readonly result: Readonly<Record<string, unknown>> | null
    readonly attempt: number
  }
  /** A command that `sluice runner` executes wrote a line. */
  readonly output: {
    readonly line: string
    readonly stream: 'stdout' | 'stderr'
    /** The line goes on in the next event. */
    readonly continues?: true
    /** Bytes that are not UTF-8 became U+FFFD. */
    readonly replaced?: true
  }
}

/** The data of each notice, by its name. */
export interface NoticeTypes {
  /** First on every stream, then at each change of the mode. */
  readonly 'server.state': {
    readonly mode: 'normal' | 'degraded' | 'maintenance' | 'draining'
    /** Names the stream; first only. */
    readonly connection?: string
    /** Unknown query parameters. */
    readonly ignored?: readonly string[]
    /** The consumer that the client holds; first only. */
    readonly consumer?: {
      readonly name: string
      /** Sent with acknowledgements. */
      readonly epoch: number
      readonly ack_timeout_ms: number
      readonly max_in_flight: number
    }
  }
  /** Every `HEARTBEAT_MS`. */
  readonly heartbeat: Readonly<Record<string, unknown>>
  /** Before any discontinuity. */
  readonly reset: {
    readonly reason: 'retention' | 'history-lost' | 'unknown-id' | 'deleted'
    /** Start after it to read everything that is still stored. */
    readonly earliest: string
    /** The stream continues after it. */
    readonly head: string
  }
  /** Instead of a stream, or last when an admin ends it, its consumer is held no longer, or its caller has too many in all processes together. */
  readonly unavailable: {
    readonly reason:
      | 'draining'
      | 'limit'
      | 'database'
      | 'memory'
      | 'authorization'
      | 'upstream'
      | 'by-admin'
      | 'held'
      | 'taken-over'
      | 'sought'
      | 'changed'
      | 'consumer-deleted'
    readonly limit?: 'principal' | 'workspace' | 'address'
    /** As in problem documents. */
    readonly database?: string
  }
  /** In lines and envelopes, while the log cannot be read. */
  readonly error: {
    readonly message: string
    readonly code: 'unreadable'
  }
  /** With `cursors=named`, to move the cursor. */
  readonly cursor: Readonly<Record<string, unknown>>
  /** When the credentials have expired. */
  readonly 'auth-expired': Readonly<Record<string, unknown>>
  /** When the stream continues with newer credentials. */
  readonly 'auth-renewed': {
    readonly expires_at: string | null
  }
  /** When the credentials have been revoked. */
  readonly 'auth-revoked': Readonly<Record<string, unknown>>
}

export interface Item {
  /** Unique in the workspace: 1 to 64 letters, digits, `.`, `_` and `-`; case matters. */
  readonly part_number: string
  readonly description: string
  /** The type of an item. */
  readonly item_type: string
  /** A JSON object of at most 65536 bytes and 32 levels. */
  readonly properties: Readonly<Record<string, unknown>>
  /** An item is created at revision 1. */
  readonly revision: number
  readonly created_at: string
  readonly updated_at: string
  /** The ETag of the item, for If-Match; it changes with every change of the item. */
  readonly etag: string
}

export interface NewItem {
  /** Unique in the workspace: 1 to 64 letters, digits, `.`, `_` and `-`; case matters. */
  readonly part_number: string
  readonly description: string
  /** The type of an item. */
  readonly item_type: string
  /** A JSON object of at most 65536 bytes and 32 levels. */
  readonly properties?: Readonly<Record<string, unknown>>
}

export interface ItemPatch {
  readonly description?: string
  /** The type of an item. */
  readonly item_type?: string
  /** A JSON object of at most 65536 bytes and 32 levels. */
  readonly properties?: Readonly<Record<string, unknown>>
}

export interface Revision {
  /** Unique in the workspace: 1 to 64 letters, digits, `.`, `_` and `-`; case matters. */
  readonly part_number: string
  /** An item is created at revision 1. */
  readonly revision_number: number
  readonly comment: string
  /** A JSON object of at most 65536 bytes and 32 levels. */
  readonly properties: Readonly<Record<string, unknown>>
  /** The principal that released it. */
  readonly actor: string
  readonly at: string
}

export interface NewRevision {
  readonly comment: string
  /** A JSON object of at most 65536 bytes and 32 levels. */
  readonly properties?: Readonly<Record<string, unknown>>
}

export interface Job {
  /** The id of a job. */
  readonly id: string
  /** What is to be executed: runners claim jobs by kind. */
  readonly kind: string
  readonly project: string | null
  readonly title: string | null
  /** The input of the job: a JSON object of at most 65536 bytes and 32 levels. */
  readonly payload: Readonly<Record<string, unknown>>
  /** Higher priorities are claimed first. Default 0. */
  readonly priority: number
  /** The status of a job. */
  readonly status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'aborted' | 'interrupted'
  readonly result: Readonly<Record<string, unknown>> | null
  /** The number of times the job was claimed or started; 0 before the first. */
  readonly attempt: number
  /** How many attempts a job has: if the lease of the last one expires, the job is interrupted. Default 3. */
  readonly max_attempts: number
  readonly timeout_ms: number | null
  readonly runner: string | null
  readonly lease_expires_at: string | null
  /** The principal that created the job. */
  readonly created_by: string
  readonly created_at: string
  readonly started_at: string | null
  readonly ended_at: string | null
}

export interface NewJob {
  /** The id of the job: 1 to 128 characters of `A-Z a-z 0-9 . _ : -`, but neither `.` nor `..`. Unique in the workspace. Default: a UUID. */
  readonly id?: string
  /** What is to be executed: runners claim jobs by kind. */
  readonly kind: string
  readonly project?: string | null
  readonly title?: string | null
  /** The input of the job: a JSON object of at most 65536 bytes and 32 levels. */
  readonly payload?: Readonly<Record<string, unknown>>
  /** Higher priorities are claimed first. Default 0. */
  readonly priority?: number
  /** How many attempts a job has: if the lease of the last one expires, the job is interrupted. Default 3. */
  readonly max_attempts?: number
  readonly timeout_ms?: number | null
}
