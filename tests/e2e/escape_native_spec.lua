-- Handlers that are out of Lua, tried one by one in the real agent: the host does not
-- trust what they send, and the kernel stops what they call.
package.path = "tests/e2e/?.lua;" .. package.path
local escape = require "support.escape"
local rows = require "escapes.native"

describe("a native module gains nothing from", escape.tries(rows))
