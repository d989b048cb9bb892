/** The completion of fish. */
import type { Completed, CompletedNode, CompletedOption } from './completed-node.js'

export function fishScript(nodes: readonly CompletedNode[]): string {
  const lines = nodes.flatMap(node => [
    ...commandLines(node),
    ...node.options.map(option => optionLine(node.path, option)),
    ...argumentLine(node),
  ])
  return `# fish completion of sluice. To use it: sluice completion fish | source
function __sluice_node
  set -l node sluice
  for word in (commandline -opc)[2..]
    switch "$node $word"
      case ${nodes
        .filter(({ path }) => path !== 'sluice')
        .map(({ path }) => quote(path))
        .join(' ')}
        set node "$node $word"
    end
  end
  echo $node
end
complete -c sluice -e
complete -c sluice -f
${lines.join('\n')}
`
}

function commandLines({ path, commands }: CompletedNode): string[] {
  if (commands.length === 0) return []
  return [...commands, { name: 'help', summary: 'show help' }].map(
    ({ name, summary }) => `${at(path)} -a ${quote(name)} -d ${quote(summary)}`,
  )
}

function optionLine(path: string, { names, help, value }: CompletedOption): string {
  const flags = names.map(name => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  return `${at(path)} ${flags.join(' ')} -d ${quote(help)}${value === 'nothing' ? '' : ` -r ${answer(value)}`}`
}

function argumentLine({ path, argument }: CompletedNode): string[] {
  return argument === 'nothing' ? [] : [`${at(path)} ${answer(argument)}`]
}

function answer(value: Completed): string {
  if (value === 'contexts') return `-f -a '(sluice completion contexts 2>/dev/null)'`
  return value === 'files' || value === 'nothing' ? '-F' : `-f -a ${quote(value.join(' '))}`
}

function at(path: string): string {
  return `complete -c sluice -n 'test (__sluice_node) = "${path}"'`
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
