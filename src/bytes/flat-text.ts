/**
 * A copy of a short text in one piece, for texts that are held as long as a stream. V8 keeps a text that was put together as a tree
 * of its parts: a random UUID of 36 characters takes 490 bytes, its copy 56.
 */
export function flatText(text: string): string {
  return Buffer.from(text).toString()
}
