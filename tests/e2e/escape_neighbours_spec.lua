-- Attacks on what all handlers share, tried one by one in the real agent.
package.path = "tests/e2e/?.lua;" .. package.path
local escape = require "support.escape"
local rows = require "escapes.neighbours"

describe("other handlers are answered beside", escape.tries(rows))
