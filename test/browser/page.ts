/** What the page of the browser test holds: the scenarios, where the test can call them. */
import * as scenarios from './scenarios.js'

Object.assign(globalThis, { scenarios })
