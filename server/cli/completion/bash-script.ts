/** The completion of bash. */
import type { Completed, CompletedNode } from './completed-node.js'

export function bashScript(nodes: readonly CompletedNode[]): string {
  const values = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== 'nothing')
      .map(
        ({ names, value }) =>
          `    ${names.map(name => quote(`${path}:${name}`)).join('|')}) ${answer(value)} ;;`,
      ),
  )
  const words = nodes.map(({ path, commands, options, argument }) => {
    const names = [...commands.map(({ name }) => name), ...(commands.length === 0 ? [] : ['help'])]
    const flags = options.flatMap(({ names }) => names.slice(-1))
    const other = names.length > 0 ? `words=${quote(names.join(' '))}` : answer(argument)
    return `      ${quote(path)}) if [[ $cur == -* ]]; then words=${quote(flags.join(' '))}; else ${other}; fi ;;`
  })
  return `# bash completion of sluice. To use it: source <(sluice completion bash)
_sluice() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} node=sluice words= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$node \${COMP_WORDS[i]}" in
      ${below(nodes)}) node="$node \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$node:$prev" in
${values.join('\n')}
    *) case "$node" in
${words.join('\n')}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _sluice sluice
`
}

/** A statement that sets \`words\`, or completes files. */
function answer(value: Completed): string {
  if (value === 'contexts') return 'words=$(sluice completion contexts 2>/dev/null)'
  if (value === 'files') return 'compopt -o default; return'
  return value === 'nothing' ? ':' : `words=${quote(value.join(' '))}`
}

function below(nodes: readonly CompletedNode[]): string {
  return nodes
    .filter(({ path }) => path !== 'sluice')
    .map(({ path }) => quote(path))
    .join('|')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
