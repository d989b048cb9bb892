/** Arguments as one command for /bin/sh: a single one is the command itself, several are quoted as they need it. */
const SAFE = /^[\w@%+=:,./-]+$/

export function shellCommand(words: readonly string[]): string {
  const [only = '', ...others] = words
  return others.length === 0 ? only : words.map(quoted).join(' ')
}

function quoted(word: string): string {
  return SAFE.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
