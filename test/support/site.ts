/** A bundled page and a small server for it. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize, resolve } from 'node:path'
import { build } from 'esbuild'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

/** Bundles a script and the engine's worker for browsers, and puts an empty page and onnxruntime's WebAssembly beside them. */
export async function bundleSite(script: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await build({
    entryPoints: { page: resolve(script), worker: 'graft-ml/browser/worker' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    outdir: folder,
    logLevel: 'warning',
  })
  await writeFile(
    join(folder, 'index.html'),
    '<!doctype html><link rel="icon" href="data:,"><title>test</title><script type="module" src="page.js"></script>',
  )
  const wasm = 'ort-wasm-simd-threaded.wasm'
  await copyFile(join('node_modules', 'onnxruntime-web', 'dist', wasm), join(folder, wasm))
}

export interface Site {
  readonly url: string
  close(): void
}

/** @param isolated sends the headers that let a page compute in threads */
export async function serve(folder: string, isolated: boolean): Promise<Site> {
  const headers = isolated
    ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    : {}
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
    const file = join(folder, path === '/' ? 'index.html' : path)
    readFile(file).then(
      (content) => response.writeHead(200, { ...headers, 'Content-Type': TYPES[extname(file)] ?? '' }).end(content),
      () => response.writeHead(404, headers).end(),
    )
  })
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
