/** The package's version, recorded in what is written. */
export const VERSION = '0.1.0'
