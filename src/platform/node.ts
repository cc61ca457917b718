/** Everything that depends on Node, imported elsewhere as `#platform`. */
export * from './node/files.js'
export * from './node/system.js'
