/** Everything that depends on Node, imported elsewhere as `#platform`. */
export * from './node/files.js'
export * from './node/glob.js'
export * from './node/images.js'
export * from './node/leftovers.js'
export * from './node/lock.js'
export * from './node/package.js'
export * from './node/system.js'
export * from './node/workers.js'
