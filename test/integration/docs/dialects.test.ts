/** What docs/dialects.md shows of a stream is what the golden transcripts say, and every dialect is shown. */
import t from 'tap'
import { STORIES } from '../../harness/dialect-story.js'
import { fences, read } from '../../harness/document.js'
import { golden, masked } from '../../harness/transcript.js'

const shown = fences(read('docs/dialects.md')).filter(({ info }) => info.startsWith('text '))

t.test('every dialect is shown from its first byte to its end', async t => {
  const names = shown.map(({ info }) => info.slice('text '.length))

  for (const { name } of Object.values(STORIES)) t.ok(names.includes(`${name}-running`), name)
})

t.test('the documented transcripts are the golden ones', async t => {
  for (const { info, text } of shown) {
    const name = info.slice('text '.length)
    const [head = '', body = ''] = split(golden(name))

    t.equal(masked(text).trimEnd(), masked(head.startsWith('HTTP/') ? body : golden(name)).trimEnd(), name)
  }
})

/** The head of an answer, and its body. */
function split(transcript: string): string[] {
  const at = transcript.indexOf('\n\n')
  return [transcript.slice(0, at), transcript.slice(at + 2)]
}
