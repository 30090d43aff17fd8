-- Escapes that the Lua environment stops, tried one by one in the real agent.
package.path = "tests/e2e/?.lua;" .. package.path
local escape = require "support.escape"
local rows = require "escapes.language"

describe("a handler does not get out by", escape.tries(rows))
