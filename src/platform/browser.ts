/** Everything that depends on a browser, imported elsewhere as `#platform`: the same names as in `node.ts`. */
export * from './browser/files.js'
export * from './browser/hash.js'
export * from './browser/images.js'
export * from './browser/system.js'
export * from './browser/workers.js'
