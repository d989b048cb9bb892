/**
 * GET /api/v1/artifacts/:workspace/*: downloads of the files that jobs wrote, for callers with a signed link. They are only
 * served as downloads, because a file that a job wrote must never run as a page of this origin.
 */
import { realpath } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { ApiKeyId } from '../../src/auth/api-keys/api-key.js'
import { grantOn } from '../../src/auth/grants/stream-grant.js'
import {
  ARTIFACTS_PREFIX,
  type ArtifactLinks,
  isArtifactPath,
  linkInvalid,
} from '../../src/jobs/artifacts.js'
import { JobId, jobStream } from '../../src/jobs/job.js'
import { DIALECT_TYPES, namesOfStream } from '../../src/jobs/job-grants.js'
import { WORKSPACE_FORM, WORKSPACE_PATTERN } from '../../src/log/event.js'
import { FORM } from '../../src/openapi/described.js'
import { notFound } from '../../src/problems/problem.js'
import { shortageIn } from '../../src/process/shortage.js'

export interface ArtifactRoutesOptions {
  /** Contains one folder per workspace. Undefined: every artifact is 404. */
  readonly folder: string | undefined
  readonly links: ArtifactLinks | undefined
}

const Params = Type.Object({
  workspace: Type.String({
    pattern: WORKSPACE_PATTERN,
    [FORM]: WORKSPACE_FORM,
    description: 'The workspace of the file.',
  }),
  '*': Type.String({ description: 'The path of the file; its slashes are not encoded.' }),
})
const File = {
  description: 'The file.',
  content: { 'application/octet-stream': { schema: Type.String({ format: 'binary' }) } },
}
const Query = Type.Object(
  {
    expires: Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'When the link expires, in seconds since 1970.',
    }),
    key: Type.Optional({ ...ApiKeyId, description: 'The API key that the link was made for.' }),
    run: Type.Optional({ ...JobId, description: 'The run in whose snapshot the key has read the link.' }),
    signature: Type.String({ maxLength: 64, description: 'Proves that the gateway made the link.' }),
  },
  { additionalProperties: false },
)

const routes: FastifyPluginAsyncTypebox<ArtifactRoutesOptions> = async (app, { folder, links }) => {
  await app.register(fastifyStatic, { serve: false, index: false, dotfiles: 'ignore', cacheControl: false })

  app.get(
    `${ARTIFACTS_PREFIX}/:workspace/*`,
    {
      config: { access: 'public', grants: 'none' },
      schema: {
        tags: ['runs'],
        operationId: 'downloadArtifact',
        summary: 'Download an artifact',
        description: 'Needs a signed link from the snapshot of the run. Supports range requests.',
        params: Params,
        querystring: Query,
        response: { 200: File },
      },
    },
    async (request, reply) => {
      const { workspace, '*': path } = request.params
      if (folder === undefined || links === undefined) throw notFound('artifact')
      const { key, run } = request.query
      links.verify({ workspace, path, ...request.query }, Date.now())
      if (key !== undefined) await assertHolds(key, run, workspace, request.believedAddress)
      const file = isArtifactPath(path) ? await fileIn(join(folder, workspace), path) : undefined
      if (file === undefined) throw notFound('artifact')
      reply.headers({
        'cache-control': 'private, no-cache',
        // A page of another origin may show the file if it has the link.
        'cross-origin-resource-policy': 'cross-origin',
        'content-disposition': attachment(path.slice(path.lastIndexOf('/') + 1)),
      })
      return reply.sendFile(file.path, file.root)
    },
  )

  /** @throws {Problem} 403 `link-invalid` unless the key is valid from this address and may still read the run. */
  async function assertHolds(
    key: string,
    run: string | undefined,
    workspace: string,
    address: string | undefined,
  ): Promise<void> {
    if (!(await app.apiKeys.isGoodFrom(key, address))) throw linkInvalid()
    const { grants } = await app.apiKeys.stateOf(key)
    if (!grants) return
    // Only a gateway of an earlier version has made such a link.
    if (run === undefined) throw linkInvalid()
    const isGranted = (name: string) => grants.subscribe.matches(name)
    const names = await namesOfStream(app.database, workspace, jobStream(run), isGranted)
    grantOn(grants, { action: 'subscribe', names, types: DIALECT_TYPES, refusal: linkInvalid })
  }
}

export default routes

/** The real path of the file if it is inside the folder: a job may have left a symbolic link that leads out of it. */
async function fileIn(folder: string, path: string): Promise<{ root: string; path: string } | undefined> {
  try {
    const root = await realpath(folder)
    const file = await realpath(join(root, path))
    return file.startsWith(root + sep) ? { root, path: relative(root, file) } : undefined
  } catch (error) {
    // The file may exist, and a caller that gets a 404 would not retry.
    if (shortageIn(error)) throw error
    return undefined
  }
}

/** A Content-Disposition (RFC 6266) with the name encoded by RFC 8187. */
function attachment(name: string): string {
  const encoded = encodeURIComponent(name).replace(/['()*]/g, mark => `%${mark.charCodeAt(0).toString(16)}`)
  return `attachment; filename*=UTF-8''${encoded}`
}
