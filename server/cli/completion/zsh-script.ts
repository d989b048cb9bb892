/** The completion of zsh. */
import type { Completed, CompletedNode } from './completed-node.js'

export function zshScript(nodes: readonly CompletedNode[]): string {
  const values = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== 'nothing')
      .map(
        ({ names, value }) =>
          `    ${names.map(name => quote(`${path}:${name}`)).join('|')}) ${answer(value)}; return ;;`,
      ),
  )
  const places = nodes.map(({ path, commands, options, argument }) => {
    const flags = options.flatMap(({ names, help }) => names.map(name => described(name, help)))
    const names = commands.map(({ name, summary }) => described(name, summary))
    const other =
      names.length > 0 ? `list=(${[...names, described('help', 'show help')].join(' ')})` : answer(argument)
    return `    ${quote(path)}) if [[ $PREFIX == -* ]]; then list=(${flags.join(' ')}); else ${other}; fi ;;`
  })
  return `#compdef sluice
# zsh completion of sluice. To use it: source <(sluice completion zsh), or save it as _sluice in a folder of $fpath
_sluice() {
  local node=sluice i
  local -a list
  for ((i = 2; i < CURRENT; i++)); do
    case "$node $words[i]" in
      ${nodes
        .filter(({ path }) => path !== 'sluice')
        .map(({ path }) => quote(path))
        .join('|')}) node="$node $words[i]" ;;
    esac
  done
  case "$node:$words[CURRENT-1]" in
${values.join('\n')}
  esac
  case "$node" in
${places.join('\n')}
  esac
  (( $#list )) && _describe sluice list
}
if [ "$funcstack[1]" = _sluice ]; then _sluice "$@"; else compdef _sluice sluice; fi
`
}

function answer(value: Completed): string {
  if (value === 'contexts') return `compadd -- \${(f)"$(sluice completion contexts 2>/dev/null)"}`
  if (value === 'files') return '_files'
  return value === 'nothing' ? ':' : `compadd -- ${value.map(quote).join(' ')}`
}

/** An entry of \`_describe\`: a colon ends the name. */
function described(name: string, help: string): string {
  return quote(`${name.replaceAll(':', '\\:')}:${help}`)
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
