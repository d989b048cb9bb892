/** An entry of the catalogue of built-in events and notices. */
import type { TObject } from 'typebox'

export interface Entry {
  /** The room of src/ that decides when it is sent. */
  readonly room:
    | 'log'
    | 'durable-streams'
    | 'cluster'
    | 'consumers'
    | 'webhooks'
    | 'items'
    | 'jobs'
    | 'runner'
    | 'hub'
  /** When it is sent, for the documents. */
  readonly when: string
  /** The content of its `data`. Clients ignore members that they do not know, so a member may be added. */
  readonly data: TObject
  readonly example: Readonly<Record<string, unknown>>
}

export interface EventEntry extends Entry {
  /** The streams that it is appended to. */
  readonly streams: readonly ('feed' | 'job' | 'other')[]
  /** Whether nobody but the gateway may publish an event of this type. Those that start with RESERVED_PREFIX are, too. */
  readonly reserved?: true
}

export interface NoticeEntry extends Entry {
  /** Whether an application may not publish an event of this type. */
  readonly reserved: boolean
}
