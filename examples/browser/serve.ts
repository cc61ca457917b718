/** Bundles the page and serves it: `node build/examples/browser/serve.js [PORT]`, from the folder of the package. */
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { build } from 'esbuild'

const site = 'build/site'
const wasm = 'ort-wasm-simd-threaded.wasm'

// The page and the engine's worker become a script each; onnxruntime's WebAssembly lies beside them.
await build({
  entryPoints: { main: 'examples/browser/main.ts', worker: 'graft-ml/browser/worker' },
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  outdir: site,
})
mkdirSync(site, { recursive: true })
cpSync('examples/browser/index.html', join(site, 'index.html'))
cpSync('backbones/efficientnet-lite0', join(site, 'efficientnet-lite0'), { recursive: true })
cpSync(createRequire(import.meta.url).resolve(`onnxruntime-web/${wasm}`), join(site, wasm))

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' }
const headers = {
  // With these two the page may compute in threads; without them it computes in one.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}
const server = createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
  const file = join(site, path === '/' ? 'index.html' : path)
  try {
    const content = readFileSync(file)
    response.writeHead(200, { ...headers, 'Content-Type': types[extname(file)] ?? 'application/octet-stream' })
    response.end(content)
  } catch {
    response.writeHead(404, headers).end()
  }
})
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => {
  console.log(`http://localhost:${(server.address() as AddressInfo).port}/`)
})
