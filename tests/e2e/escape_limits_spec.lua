-- Attacks on the limits of time and memory, tried one by one in the real agent.
package.path = "tests/e2e/?.lua;" .. package.path
local escape = require "support.escape"
local rows = require "escapes.limits"

describe("a handler does not harm others by", escape.tries(rows))
