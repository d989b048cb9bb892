/** /projects: what admins declare about the commands of a project. The commands themselves are in routes/compat/projects.ts. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { JobProject } from '../src/jobs/job.js'
import { JOB_TYPES, jobsOfProject, jobsToRead } from '../src/jobs/job-grants.js'
import { NewProject, Project, ProjectChange } from '../src/jobs/project.js'
import { filledPage } from '../src/paging/filled-page.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'

const Params = Type.Object({ id: JobProject })
const Query = Type.Object(
  { ...pageQuery('Maximum number of projects on the page.') },
  { additionalProperties: false },
)
const ProjectPage = Type.Object(
  { projects: Type.Array(Project), next_cursor: NextCursor },
  { description: 'A page of projects.' },
)
const Declared = Type.Object(Project.properties, {
  description: 'Declared.',
  headers: { location: Type.String({ description: 'The path of the project.' }) },
})
const Deleted = Type.Null({ description: 'Deleted.' })

const tags = ['remote commands']
const viewer = { access: 'viewer', grants: 'project' } as const
const admin = { access: 'admin', grants: 'project' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/projects',
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'listProjects',
        summary: 'List the declared projects, newest first',
        description:
          'Only projects that are open to everybody, or of which you are a member; admins see all.',
        querystring: Query,
        response: { 200: ProjectPage },
      },
    },
    async request => {
      const { principal, query } = request
      const { rows: projects, next_cursor } = await filledPage(
        query,
        async page => {
          const found = await app.projects.list(principal, page, jobsToRead(app.grants.of(request)))
          return { rows: found.projects, next_cursor: found.next_cursor }
        },
        found => app.grants.decided(request, 'subscribe', JOB_TYPES, found, ({ id }) => [jobsOfProject(id)]),
      )
      return { projects, next_cursor }
    },
  )

  app.post(
    '/projects',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'declareProject',
        summary: 'Declare a project',
        body: NewProject,
        response: { 201: Declared },
      },
    },
    async (request, reply) => {
      await app.grants.toPublish(request, jobsOfProject(request.body.id), JOB_TYPES)
      const project = await app.projects.declare(request.auditOrigin, request.body)
      const location = `${app.prefix}/projects/${encodeURIComponent(project.id)}`
      return reply.code(201).header('location', location).send(project)
    },
  )

  app.get(
    '/projects/:id',
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'getProject',
        summary: 'Get a project',
        params: Params,
        response: { 200: Project },
      },
    },
    async request => {
      const { id } = request.params
      await app.grants.toRead(request, jobsOfProject(id), 'project', JOB_TYPES)
      return app.projects.get(request.principal, id)
    },
  )

  app.patch(
    '/projects/:id',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'changeProject',
        summary: 'Change a project',
        description: 'Applies to commands and streams that start afterwards.',
        params: Params,
        body: ProjectChange,
        response: { 200: Project },
      },
    },
    async request => {
      const { id } = request.params
      await app.grants.toPublish(request, jobsOfProject(id), JOB_TYPES)
      return app.projects.change(request.auditOrigin, id, request.body)
    },
  )

  app.delete(
    '/projects/:id',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'deleteProject',
        summary: 'Delete the declaration of a project',
        description: 'Its commands stay, and are those of an undeclared project from then on.',
        params: Params,
        response: { 204: Deleted },
      },
    },
    async (request, reply) => {
      await app.grants.toPublish(request, jobsOfProject(request.params.id), JOB_TYPES)
      await app.projects.delete(request.auditOrigin, request.params.id)
      return reply.code(204).send(null)
    },
  )
}

export default routes
