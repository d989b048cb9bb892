/** The part of the caller's role that its grants leave, as far as buttons depend on it. The gateway decides in any case. */
import { allows, type Principal } from './principal.ts'

/** The stream that items live on. */
export const FEED = 'feed'

/**
 * Whether an editor may write an event.
 * @param streams the names by which the stream is known; a name that ends in `*` stands for a new stream of that prefix.
 */
export function mayPublish(principal: Principal, streams: readonly string[], type: string): boolean {
  const { grants } = principal
  if (!allows(principal, 'editor')) return false
  if (grants === null) return true
  return streams.some(name => matches(grants.publish, name)) && matches(grants.types, type)
}

/** The names of the streams of a job: its own, and that of its project. */
export function streamsOfJob(id: string, project: string | null): string[] {
  const escaped = project?.replace(/[%/*]/g, encodeURIComponent).replaceAll('*', '%2A')
  return [`job:${id}`, ...(escaped === undefined ? [] : [`project/${escaped}/${id}`])]
}

/** Whether it may create jobs: of any project, or at least of one. */
export function mayCreateJobs(principal: Principal): boolean {
  const { grants } = principal
  if (!allows(principal, 'editor')) return false
  const isOfJobs = (term: string) => /^(job:|project\/.*)?\*$/.test(term)
  return grants === null || (grants.publish.some(isOfJobs) && matches(grants.types, 'job.created'))
}

/** Each term is a name, or a prefix that ends in `*`. */
function matches(terms: readonly string[], name: string): boolean {
  return terms.some(term => (term.endsWith('*') ? name.startsWith(term.slice(0, -1)) : name === term))
}
