/** What a module imports. */
import ts from 'typescript'

export interface Violation {
  readonly file: string
  readonly imported: string
  readonly rule: string
}

/** Everything that a module imports or exports from elsewhere, types and dynamic imports too. */
export function importsOf(source: string): string[] {
  return ts.preProcessFile(source, true, true).importedFiles.map(({ fileName }) => fileName)
}

/** What is left to load once the types are gone. */
export function loadsOf(source: string): string[] {
  const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
  return importsOf(ts.transpileModule(source, { compilerOptions }).outputText)
}
