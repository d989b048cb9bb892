/** Equal shares of the room in a node's report, so that a workspace with many entries does not displace those of the others. */

/** At most `most` of the entries: the first one of each workspace, then the second one of each, and so on. */
export function fairShare<Entry extends { readonly workspace: string }>(
  entries: readonly Entry[],
  most: number,
): readonly Entry[] {
  if (entries.length <= most) return entries
  const byWorkspace = new Map<string, Entry[]>()
  for (const entry of entries) {
    const own = byWorkspace.get(entry.workspace)
    if (own) own.push(entry)
    else byWorkspace.set(entry.workspace, [entry])
  }
  const chosen: Entry[] = []
  let owners = [...byWorkspace.values()]
  for (let round = 0; chosen.length < most; round += 1) {
    owners = owners.filter(own => own.length > round)
    chosen.push(...owners.slice(0, most - chosen.length).flatMap(own => own[round] ?? []))
  }
  return chosen
}
