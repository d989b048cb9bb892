/** The documents of the gateway that the pages show: the types of its own schemas, so that neither can change alone. */
export type { AuditEntryDocument } from '../../../src/audit/entries.ts'
export type { ApiKey, CreatedApiKey } from '../../../src/auth/api-keys/api-key.ts'
export type { Revocation } from '../../../src/auth/revocations/revocation.ts'
export type { Item, Revision } from '../../../src/items/item.ts'
export type { Job } from '../../../src/jobs/job.ts'
export type { Project } from '../../../src/jobs/project.ts'
export type { StreamDocument, WorkspaceOptions } from '../../../src/streams/stream-document.ts'
