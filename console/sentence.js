/** An event as a sentence for people. Events of other types, and malformed ones, are shown as JSON. */
const MAX_TEXT = 400

const SENTENCES = {
  'item.created': ({ description, item_type }) => [
    `created as ${item_type}: ${description}`,
    description,
    item_type,
  ],
  'item.updated': ({ revision }) => [`changed, now at revision ${revision}`, revision],
  'item.deleted': () => ['deleted'],
  'revision.created': ({ revision_number, comment }) => [
    `revision ${revision_number}: ${comment}`,
    revision_number,
    comment,
  ],
}

/** @returns {{part?: string, text: string, raw: boolean}} */
export function sentenceOf(type, data) {
  const sentence = Object.hasOwn(SENTENCES, type) ? SENTENCES[type] : undefined
  if (!sentence || typeof data?.part_number !== 'string')
    return { text: shorten(JSON.stringify(data)), raw: true }
  const [text, ...parts] = sentence(data)
  if (parts.includes(undefined)) return { text: shorten(JSON.stringify(data)), raw: true }
  return { part: data.part_number, text: shorten(text), raw: false }
}

/** The colour of a type, chosen by its last word, so that types of other applications have one too. */
export function toneOf(type) {
  if (type.startsWith('revision.')) return 'revision'
  return type.slice(type.lastIndexOf('.') + 1)
}

// An event can have 256 KiB, and the page shows 200 events.
function shorten(text) {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}
