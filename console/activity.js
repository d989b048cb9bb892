/**
 * The list of what happened, newest first, in the order of positions. All text goes in as text: a description is
 * somebody else's input (`<img onerror=…>`).
 */
import { sentenceOf, toneOf } from './sentence.js'

const MAX_ROWS = 200

export function activityList(list) {
  /** Adds an event, or completes the one that is there already. `fresh`: it happened just now. True if it is new. */
  function add(event, fresh) {
    const next = [...list.children].find(row => !(Number(row.dataset.position) > event.position))
    if (next && Number(next.dataset.position) === event.position) {
      setTime(next.querySelector('time'), event.at)
      return false
    }
    list.insertBefore(rowOf(event, fresh), next ?? null)
    trim()
    return true
  }

  /** Says that something is missing here. Positions before and after it are not compared: the log may be another. */
  function divide(text) {
    list.prepend(element('li', 'divider', text))
    trim()
  }

  function clear() {
    list.replaceChildren()
    trim()
  }

  function trim() {
    while (list.children.length > MAX_ROWS) list.lastElementChild.remove()
    list.hidden = list.children.length === 0
  }

  return { add, divide, clear }
}

function rowOf({ position, type, data, at }, fresh) {
  const row = element('li', fresh ? 'event fresh' : 'event')
  row.dataset.position = position
  const time = element('time')
  setTime(time, at)
  const badge = element('span', 'badge', type)
  badge.dataset.tone = toneOf(type)
  badge.title = type
  const { part, text, raw } = sentenceOf(type, data)
  const said = element('span', raw ? 'text raw' : 'text')
  if (part) said.append(element('strong', '', part))
  said.append(text)
  row.append(time, badge, said, element('span', 'place', `#${position}`))
  return row
}

/** Without a time (a replayed event says none) the place stays free until it is known. */
function setTime(time, at) {
  if (!at) return
  time.dateTime = at.toISOString()
  time.title = at.toLocaleString()
  time.textContent = at.toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  })
}

function element(name, className = '', text = '') {
  const made = document.createElement(name)
  if (className) made.className = className
  made.textContent = text
  return made
}
