-- Attacks by way of programs, tried one by one in the real agent.
package.path = "tests/e2e/?.lua;" .. package.path
local escape = require "support.escape"
local rows = require "escapes.programs"

describe("a handler does not gain from", escape.tries(rows))
