-- kaa.http through the real agent: what a handler gets, what becomes of its file, whom it may
-- ask, and that nothing is left of a transfer whose command has ended.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local process = require "support.process"
local proxy = require "support.proxy"
local uv = require "luv"
local world = require "support.world"
local loop = world.loop

-- Asks what the payload says; 502 with the message where it gets none.
local GET = [[
return {
  needs = { "net", write = { "/tmp", "/var/tmp" } },
  run = function(command)
    local response, message, refused = kaa.http(command.payload)
    if not response then
      return 502, message, refused
    end
    return 200, "OK", response
  end,
}]]

local HELLO_SHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

local function listing(path)
  local names = {}
  local found = uv.fs_scandir(path)
  for name in function() return (uv.fs_scandir_next(found)) end do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function count_files(pid)
  return #listing(("/proc/%d/fd"):format(pid))
end

local function transfers_of(agent)
  local count = 0
  for _, each in ipairs(agent:descendants()) do
    count = count + (each.name == "kaalua-http" and 1 or 0)
  end
  return count
end

local function await_transfers(agent, count)
  loop.await(count .. " transfers", function() return transfers_of(agent) == count end, 20)
end

local function await_requests(web, count)
  loop.await(count .. " requests", function() return #web.requests >= count end, 20)
end

local function is_listening(port)
  return world.folder.read("/proc/net/tcp"):find((" 0100007F:%04X 00000000:0000 0A"):format(port),
    1, true)
end

--- `openssl s_server` for one answer at a time: a whole one, as text.
local function serve_tls(path, name, answer)
  local port = proxy.free_port()
  local server = { port = port, requests = {} }
  local seen = ""
  server.process = world.run("/usr/bin/openssl", { "s_server", "-quiet", "-accept",
    "127.0.0.1:" .. port, "-cert", name .. ".crt", "-key", name .. ".key" }, {
    cwd = path,
    stdin = true,
    on_output = function(stream, data)
      seen = stream == "stdout" and seen .. data or seen
      if seen:find "\r\n\r\n$" then
        server.requests[#server.requests + 1] = seen
        seen = ""
        server.process:write(answer)
      end
    end,
  })
  loop.await("s_server to listen", function() return is_listening(port) end, 20)
  return server
end

describe("kaa.http", function()
  local web, last_id

  before_each(function()
    web = world.web()
    last_id = 0
  end)

  after_each(world.clear)

  local function connected(handlers, options)
    options = options or {}
    options.handlers = handlers or { get = GET }
    return world.connected(options)
  end

  --- Runs the handler `get` with these options of kaa.http.
  local function get(platform, request, kind)
    last_id = last_id + 1
    return platform:call(kind or "get", last_id, cjson.encode(request), 30)
  end

  it("gives status, headers and body of what the server answers", function()
    local _, platform = connected()
    web.routes["/file"] = function(request)
      request:reply(200, "hello\n", { ["X-Shoe-Size"] = "43", ETag = '"a"' })
    end
    local result = get(platform, { url = web:url "/file?a=1#b" })
    assert.are.same({ 200, "hello\n", "43", '"a"' }, { result.payload.status, result.payload.body,
      result.payload.headers["x-shoe-size"], result.payload.headers.etag })
    local request = web.requests[1]
    assert.are.same({ "GET", "/file?a=1" }, { request.method, request.path })
    assert.matches("^kaalua/", request.headers["user-agent"])
    assert.is_nil(request.headers["accept-encoding"])
    assert.is_nil(request.headers["content-type"])
  end)

  it("sends method, headers and body", function()
    local _, platform = connected()
    web.routes["/"] = function(request) request:reply(200, request.body) end
    local body = ("x"):rep(200000) .. "\r\nend"
    local result = get(platform, { url = web:url "/", body = body,
      headers = { ["X-Empty"] = "", Authorization = "Bearer 1", ["Content-Type"] = "text/plain" } })
    assert.are.equal(body, result.payload.body)
    assert.are.same({ "POST", "Bearer 1", "", "text/plain" }, { web.requests[1].method,
      web.requests[1].headers.authorization, web.requests[1].headers["x-empty"],
      web.requests[1].headers["content-type"] })
    for _, method in ipairs { "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS" } do
      get(platform, { url = web:url "/", method = method })
      assert.are.equal(method, web.requests[#web.requests].method)
      assert.is_nil(web.requests[#web.requests].headers["content-type"])
    end
  end)

  it("gives nil, what was answered, and the answer where that is no success", function()
    local _, platform = connected()
    local result = get(platform, { url = web:url "/nope?secret=1" })
    assert.are.equal("GET " .. web:url "/nope" .. " answered 404 Not Found", result.reasonPhrase)
    assert.are.same({ 404, "nothing at /nope?secret=1" },
      { result.payload.status, result.payload.body })
    web.routes["/long"] = function(request) request:reply(503, ("y"):rep(100000)) end
    assert.are.equal(65536, #get(platform, { url = web:url "/long" }).payload.body)
  end)

  it("puts a body into a file, whole, and leaves nothing beside it", function()
    local agent, platform = connected()
    local folder = world.folder_for "files"
    local body = ("0123456789"):rep(700000)
    web.routes["/image"] = function(request) request:reply(200, body) end
    world.folder.write(folder .. "/image.bin", "the one before")
    local result = get(platform, { url = web:url "/image", file = folder .. "/image.bin" })
    assert.are.same({ 200, #body }, { result.payload.status, result.payload.size })
    assert.is_nil(result.payload.body)
    assert.is_true(world.folder.read(folder .. "/image.bin") == body)
    assert.are.same({ "image.bin" }, listing(folder))
    await_transfers(agent, 0)
  end)

  it("keeps what lay there where the transfer fails, whatever it is", function()
    local _, platform = connected()
    local folder = world.folder_for "files"
    local path = world.folder.write(folder .. "/x", "the one before")
    web.routes["/cut"] = function(request)
      request:hang_up "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    end
    web.routes["/other"] = function(request) request:reply(200, "hullo\n") end
    local cut = get(platform, { url = web:url "/cut", file = path })
    assert.matches("^GET .*/cut: the body broke off: ", cut.reasonPhrase)
    local other = get(platform, { url = web:url "/other", file = path, sha256 = HELLO_SHA256 })
    assert.matches("/other: its sha256 is %x+, expected " .. HELLO_SHA256 .. "$",
      other.reasonPhrase)
    assert.are.equal(404, get(platform, { url = web:url "/none", file = path }).payload.status)
    assert.are.equal("/dev/null: outside the directories of needs.write",
      get(platform, { url = web:url "/", file = "/dev/null" }).reasonPhrase)
    assert.matches(": Is a directory$",
      get(platform, { url = web:url "/", file = folder }).reasonPhrase)
    assert.are.equal("the one before", world.folder.read(path))
    assert.are.same({ "x" }, listing(folder))
  end)

  it("compares the sha256, with and without a file", function()
    local _, platform = connected()
    web.routes["/"] = function(request) request:reply(200, "hello\n") end
    local upper = HELLO_SHA256:upper()
    assert.are.equal("hello\n", get(platform, { url = web:url "/", sha256 = upper }).payload.body)
    local wrong = get(platform, { url = web:url "/", sha256 = ("0"):rep(64) })
    assert.are.same({ 502, nil }, { wrong.statusCode, wrong.payload })
    assert.are.equal(("GET %s: its sha256 is %s, expected %s"):format(web:url "/", HELLO_SHA256,
      ("0"):rep(64)), wrong.reasonPhrase)
  end)

  it("follows redirects, and sends a body again only where they ask for it", function()
    local _, platform = connected()
    local function redirect(status, to)
      return function(request) request:reply(status, "elsewhere", { Location = to }) end
    end
    web.routes["/1"] = redirect(301, "2?a=b")
    web.routes["/2"] = redirect(302, web:url "/3")
    web.routes["/3"] = redirect(307, "/4")
    web.routes["/4"] = redirect(308, "./5")
    web.routes["/5"] = redirect(303, "/end")
    web.routes["/end"] = function(request)
      request:reply(200, request.method .. " " .. request.body)
    end
    assert.are.equal("GET ", get(platform, { url = web:url "/1" }).payload.body)
    assert.are.equal("/2?a=b", web.requests[2].path)
    assert.are.equal("GET ", get(platform, { url = web:url "/1", body = "b" }).payload.body)
    assert.are.equal("GET ", get(platform, { url = web:url "/3", body = "b" }).payload.body)
    web.routes["/5"] = redirect(307, "/end")
    assert.are.equal("POST b", get(platform, { url = web:url "/3", body = "b" }).payload.body)
    web.routes["/5"] = function(request)
      request:reply(307, ("z"):rep(300000), { Location = "/end" })
    end
    assert.are.equal("POST b", get(platform, { url = web:url "/3", body = "b" }).payload.body)
  end)

  it("follows no more than five redirects, and none to what is no web server", function()
    local _, platform = connected()
    web.routes["/loop"] = function(request) request:reply(302, "", { Location = "/loop" }) end
    assert.are.equal("GET " .. web:url "/loop" .. ": more than 5 redirects",
      get(platform, { url = web:url "/loop" }).reasonPhrase)
    assert.are.equal(6, #web.requests)
    local odd = { ["file:///etc/passwd"] = "expected https", ["ftp://a/b"] = "expected https",
      ["http://u:p@127.0.0.1/"] = "no name and password",
      ["gopher://127.0.0.1:1/"] = "expected https" }
    for location, expected in pairs(odd) do
      web.routes["/odd"] = function(request) request:reply(302, "", { Location = location }) end
      local result = get(platform, { url = web:url "/odd" })
      assert.are.equal(502, result.statusCode, location)
      assert.matches("/odd: redirects to .*" .. expected, result.reasonPhrase)
    end
  end)

  it("shows another server no credentials", function()
    local _, platform = connected()
    local other = world.web()
    web.routes["/same"] = function(request) request:reply(302, "", { Location = "/other" }) end
    web.routes["/other"] = function(request)
      request:reply(302, "", { Location = other:url("/", "localhost") })
    end
    other.routes["/"] = function(request)
      request:reply(302, "", { Location = web:url "/end" })
    end
    web.routes["/end"] = function(request) request:reply(200, "") end
    get(platform, { url = web:url "/same", headers = { Authorization = "Bearer 1",
      ["X-Api-Key"] = "2", Cookie = "a=b", Accept = "text/plain" } })
    for index, request in ipairs { web.requests[1], web.requests[2] } do
      assert.are.same({ "Bearer 1", "2", "a=b", "text/plain" }, { request.headers.authorization,
        request.headers["x-api-key"], request.headers.cookie, request.headers.accept }, index)
    end
    for index, request in ipairs { other.requests[1], web.requests[3] } do
      assert.are.same({ [4] = "text/plain" }, { [1] = request.headers.authorization,
        [2] = request.headers["x-api-key"], [3] = request.headers.cookie,
        [4] = request.headers.accept }, index)
    end
  end)

  it("asks only servers that needs.net names, behind redirects, too", function()
    local other = world.web()
    local narrowed = GET:gsub('"net",', ('net = { "127.0.0.1:%d", "*.example.org" },')
      :format(web.server.port))
    local _, platform = connected { get = narrowed }
    web.routes["/there"] = function(request)
      request:reply(302, "", { Location = other:url "/secret" })
    end
    local behind = get(platform, { url = web:url "/there" })
    assert.are.equal(("GET %s: redirects to %s, which is not in needs.net"):format(
      web:url "/there", other:url "/secret"), behind.reasonPhrase)
    local direct = get(platform, { url = other:url "/" })
    assert.are.equal(500, direct.statusCode)
    assert.are.equal(('get.lua:4: kaa.http: "127.0.0.1:%d" is not in needs.net; add it: '
      .. 'needs = { net = { "127.0.0.1:%d" } }'):format(other.server.port, other.server.port),
      direct.reasonPhrase)
    for url, entry in pairs { ["http://example.org/"] = "example.org",
      ["https://a.example.org:80/"] = "a.example.org:80",
      ["http://notexample.org/"] = "notexample.org",
      ["http://127.0.0.1/"] = "127.0.0.1",
      ["http://a.example.org.evil.net/"] = "a.example.org.evil.net" } do
      assert.matches(('"%s" is not in needs.net'):format(entry), get(platform, { url = url })
        .reasonPhrase, 1, true)
    end
    assert.are.same({}, other.requests)
  end)

  it("ends at the limit of the body, announced, in chunks and without end", function()
    local agent, platform = connected()
    local folder = world.folder_for "files"
    web.routes["/length"] = function(request) request:reply(200, ("x"):rep(2000)) end
    web.routes["/chunks"] = function(request) request:reply_chunked(200, ("x"):rep(2000), 7) end
    web.routes["/endless"] = function(request)
      request:raw "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
      local timer = uv.new_timer()
      timer:start(0, 5, function()
        request:raw(("x"):rep(1000))
        if request.client.socket:is_closing() then
          timer:close()
        end
      end)
    end
    for _, path in ipairs { "/length", "/chunks", "/endless" } do
      for _, file in ipairs { false, folder .. "/x" } do
        local result = get(platform, { url = web:url(path), file = file or nil, max_bytes = 1999 })
        assert.are.equal(("GET %s: its body is larger than 1999 bytes (max_bytes)")
          :format(web:url(path)), result.reasonPhrase)
      end
    end
    local whole = get(platform, { url = web:url "/chunks", max_bytes = 2000 })
    assert.are.equal(2000, #whole.payload.body)
    assert.are.same({}, listing(folder))
    await_transfers(agent, 0)
  end)

  it("ends after timeout_s, whatever the server does", function()
    local agent, platform = connected()
    local function drip(request)
      request:raw "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
      local timer = uv.new_timer()
      timer:start(0, 50, function()
        request:raw "x"
        if request.client.socket:is_closing() then
          timer:close()
        end
      end)
    end
    web.routes["/silent"] = function() end
    web.routes["/drip"] = drip
    web.routes["/first"] = function(request) request:reply(302, "", { Location = "/drip" }) end
    local last_of = { ["/silent"] = "/silent", ["/drip"] = "/drip", ["/first"] = "/drip" }
    for path, last in pairs(last_of) do
      local result = get(platform, { url = web:url(path), timeout_s = 0.5 })
      assert.matches("^GET " .. web:url(last) .. ": took longer than 0.5 s, %d+ bytes of the body",
        result.reasonPhrase)
    end
    await_transfers(agent, 0)
  end)

  it("ends with its command", function()
    local agent, platform = connected { get = GET:gsub("return {", "return { timeout_s = 1,", 1) }
    local folder = world.folder_for "files"
    web.routes["/silent"] = function(request)
      request:raw "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"
    end
    local result = get(platform, { url = web:url "/silent", file = folder .. "/x" })
    assert.are.same({ 504, "Timed out after 1 s at get.lua:4" },
      { result.statusCode, result.reasonPhrase })
    await_transfers(agent, 0)
    loop.await("the connection to end", function() return web:open_connections() == 0 end, 20)
    assert.are.same({}, listing(folder))
    web.routes["/silent"] = function(request) request:reply(200, "loud") end
    assert.are.equal("loud", get(platform, { url = web:url "/silent" }).payload.body)
  end)

  it("leaves no process and no half file where its worker is killed", function()
    local agent, platform = connected()
    local folder = world.folder_for "files"
    web.routes["/half"] = function(request)
      request:raw("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" .. ("x"):rep(50000))
    end
    platform:command("get", 77, cjson.encode { url = web:url "/half", file = folder .. "/x" })
    await_transfers(agent, 1)
    await_requests(web, 1)
    assert(uv.kill(agent:await_worker(), "sigkill"))
    assert.are.equal("Handler crashed: SIGKILL", platform:await_result("get", 77, 20).reasonPhrase)
    await_transfers(agent, 0)
    assert.are.same({}, listing(folder))
  end)

  it("says so where kaalua-http itself dies", function()
    local agent, platform = connected()
    web.routes["/silent"] = function() end
    platform:command("get", 78, cjson.encode { url = web:url "/silent" })
    await_requests(web, 1)
    for _, each in ipairs(agent:descendants()) do
      if each.name == "kaalua-http" then
        assert(uv.kill(each.pid, "sigkill"))
      end
    end
    assert.are.equal(("GET %s: kaalua-http was ended by signal 9"):format(web:url "/silent"),
      platform:await_result("get", 78, 20).reasonPhrase)
  end)

  it("runs four at a time, and the others in their turn", function()
    local handlers, held, most = {}, {}, 0
    for index = 1, 6 do
      handlers["get" .. index] = GET
    end
    local agent, platform = connected(handlers)
    web.routes["/hold"] = function(request) held[#held + 1] = request end
    for index = 1, 6 do
      local timeout_s = index == 6 and 0.5 or nil -- it never has a turn
      platform:command("get" .. index, index, cjson.encode { url = web:url "/hold",
        timeout_s = timeout_s })
      if index <= 4 then
        await_requests(web, index)
      end
    end
    local late = platform:await_result("get6", 6, 20)
    assert.are.equal(("GET %s: took longer than 0.5 s: 4 other transfers were before it")
      :format(web:url "/hold"), late.reasonPhrase)
    assert.are.equal(4, #web.requests)
    for answered = 1, 5 do
      most = math.max(most, transfers_of(agent))
      await_requests(web, math.min(4 + answered - 1, 5))
      held[answered]:reply(200, tostring(answered))
    end
    for index = 1, 5 do
      local result = platform:await_result("get" .. index, index, 20)
      assert.are.equal(200, result.statusCode, result.reasonPhrase)
    end
    assert.are.equal(4, most)
  end)

  it("leaves the agent's descriptors as many as they were", function()
    local many = GET:gsub("run = function%(command%)", [[timeout_s = 120, run = function(command)
      for index = 1, command.payload.times or 0 do
        local response, message = kaa.http { url = command.payload.url,
          file = index %% 2 == 0 and command.payload.file or nil }
        if not response and index %% 5 ~= 0 then
          return 500, message
        end
      end
      command.payload = { url = command.payload.url }]])
    local agent, platform = connected { get = many }
    local count = 0
    web.routes["/"] = function(request)
      count = count + 1
      request:reply(count % 5 == 0 and 404 or 200, "body")
    end
    local file = world.folder_for "files" .. "/x"
    get(platform, { url = web:url "/", times = 4, file = file })
    await_transfers(agent, 0)
    local worker, before = agent:await_worker(), {}
    local function counts()
      return { count_files(agent.process.pid), count_files(worker) }
    end
    before = counts()
    platform:command("get", 99, cjson.encode { url = web:url "/", times = 200, file = file })
    local result = platform:await_result("get", 99, 120)
    assert.are.equal(200, result.statusCode, result.reasonPhrase)
    await_transfers(agent, 0)
    loop.await("the descriptors to be as many as before", function()
      local now = counts()
      return now[1] == before[1] and now[2] == before[2]
    end, 20)
  end)

  it("works in a tick", function()
    web.routes["/tick"] = function(request) request:reply(200, "5") end
    connected { climate = ([[
return {
  every_s = 1,
  needs = { net = { "127.0.0.1:%d" } },
  tick = function()
    kaa.telemetry { outside = tonumber(kaa.http { url = %q }.body) }
  end,
}]]):format(web.server.port, web:url "/tick") }
    await_requests(web, 2)
  end)

  it("needs what it needs", function()
    local path = world.folder_for "call" .. "/handlers"
    world.folder.make(path)
    local function call(source, payload)
      world.folder.write(path .. "/get.lua", source)
      local _, out = process.run(world.Agent.program,
        { "call", "--handlers", path, "get", cjson.encode(payload) }, nil, 30)
      return out
    end
    local bare = "return { needs = {%s}, run = function(c)\n  kaa.http(c.payload)\nend }"
    assert.are.equal('500 get.lua:2: kaa.http needs "net": return { needs = { "net" }, run = … }\n',
      call(bare:format "", { url = web:url "/" }))
    assert.are.equal('500 get.lua:2: kaa.http with file needs "write": '
      .. 'return { needs = { "write" }, run = … }\n',
      call(bare:format '"net"', { url = web:url "/", file = "/tmp/x" }))
    assert.are.equal(0, #web.requests)
    assert.matches("^502 GET http://127.0.0.1:1/: cannot connect: Connection refused\n$",
      call(GET, { url = "http://127.0.0.1:1/" }))
    assert.matches("^502 GET http://nowhere.invalid/: Could not resolve host: nowhere.invalid\n$",
      call(GET, { url = "http://nowhere.invalid/" }))
  end)

  it("says when the disk is full, and keeps no part", function()
    local folder = world.folder_for "small"
    local handlers = world.folder.make(world.folder_for "call" .. "/handlers")
    world.folder.write(handlers .. "/get.lua", GET)
    web.routes["/"] = function(request) request:reply(200, ("x"):rep(200000)) end
    local script = 'mount -t tmpfs -o size=64k none "$1" && "$2" call --handlers "$3" get "$4"; '
      .. 'ls -A "$1"'
    local _, out, err = process.run("/usr/bin/unshare", { "-m", "/bin/sh", "-c", script, "sh",
      folder, world.Agent.program, handlers,
      cjson.encode { url = web:url "/", file = folder .. "/x" } }, nil, 30)
    assert.are.equal(("502 GET %s: the file cannot be written: No space left on device\n")
      :format(web:url "/"), out, err)
  end)

  it("takes no proxy from the environment", function()
    local _, platform = connected(nil, { env = { http_proxy = "http://127.0.0.1:1",
      ALL_PROXY = "http://127.0.0.1:1", https_proxy = "http://127.0.0.1:1" } })
    web.routes["/"] = function(request) request:reply(200, "direct") end
    assert.are.equal("direct", get(platform, { url = web:url "/" }).payload.body)
  end)

  describe("over TLS", function()
    local OK = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsafe"

    it("asks a server whose certificate is good", function()
      local path = world.certificates()
      local server = serve_tls(path, "server", OK)
      local _, platform = connected()
      local result = get(platform, { url = ("https://localhost:%d/x"):format(server.port),
        ca = world.folder.read(path .. "/ca.crt") })
      assert.are.equal("safe", result.payload and result.payload.body, result.reasonPhrase)
    end)

    it("asks no other: by authority, and by name", function()
      local path = world.certificates()
      local server, other = serve_tls(path, "server", OK), serve_tls(path, "other", OK)
      local _, platform = connected()
      local ca = world.folder.read(path .. "/ca.crt")
      local url, other_url = ("https://localhost:%d/"):format(server.port),
        ("https://localhost:%d/"):format(other.port)
      assert.matches(": its certificate is not trusted by the system's authorities: ",
        get(platform, { url = url }).reasonPhrase, 1, true)
      assert.matches(": its certificate is not trusted by the authorities in ca: ",
        get(platform, { url = url, ca = world.folder.read(path .. "/foreign.crt") }).reasonPhrase,
        1, true)
      assert.matches(": its certificate is refused: .*'localhost'",
        get(platform, { url = other_url, ca = ca }).reasonPhrase)
      assert.are.equal("GET " .. url .. ": ca has no certificate in PEM", get(platform, { url = url,
        ca = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n" }).reasonPhrase)
      assert.are.same({}, server.requests)
      assert.are.same({}, other.requests)
    end)

    -- In a mount namespace the test's authority is one of the system's.
    it("trusts the system's authorities, unless others are named", function()
      local path = world.certificates()
      local system = world.folder.make(path .. "/system")
      local ca = world.folder.read(path .. "/ca.crt")
      world.folder.write(system .. "/ca-certificates.crt", ca)
      world.folder.write(system .. "/ca.pem", ca)
      assert.are.equal(0, (process.run("/usr/bin/openssl", { "rehash", system }, nil, 30)))
      local server = serve_tls(path, "server", OK)
      local handlers = world.folder.make(world.folder_for "call" .. "/handlers")
      world.folder.write(handlers .. "/get.lua", GET)
      local function call(request)
        request.url = ("https://localhost:%d/"):format(server.port)
        local script = 'mount --bind "$1" /etc/ssl/certs && exec "$2" call --handlers "$3" get "$4"'
        local _, out, err = process.run("/usr/bin/unshare", { "-m", "/bin/sh", "-c", script, "sh",
          system, world.Agent.program, handlers, cjson.encode(request) }, nil, 30)
        return out .. err
      end
      assert.matches('"body":"safe"', call {}, 1, true)
      assert.matches("not trusted by the authorities in ca: ",
        call { ca = world.folder.read(path .. "/foreign.crt") }, 1, true)
    end)

    it("is not led from https to http", function()
      local path = world.certificates()
      local server = serve_tls(path, "server", ("HTTP/1.1 302 Found\r\nLocation: %s\r\n"
        .. "Content-Length: 0\r\nConnection: close\r\n\r\n"):format(web:url "/plain"))
      local _, platform = connected()
      local result = get(platform, { url = ("https://localhost:%d/"):format(server.port),
        ca = world.folder.read(path .. "/ca.crt") })
      assert.matches(": redirects from https to http: " .. web:url "/plain", result.reasonPhrase, 1,
        true)
      assert.are.same({}, web.requests)
    end)
  end)

  -- The testing kit raises what the device raises: both are asked.
  it("is misused with the same words here and in kaa.testing", function()
    local testing = require "kaa.testing"
    local path = world.folder.make(world.folder_for "call" .. "/handlers")
    world.folder.write(path .. "/get.lua", GET)
    world.folder.write(path .. "/many.lua", [[
return {
needs = { net = { "a.example", "*.b.example", "c.example:81", "[::1]" }, write = { "/tmp" } },
run = function(c)
  local said = {}
  for index, body in ipairs(c.payload) do
    local made = load("return " .. body)
    said[index] = select(2, pcall(kaa.http, made())):gsub("^[%w./]+:%d+: ", "")
  end
  return 200, "OK", said
end }]])
    local misuses = {
      "nil", "'https://a.example'", "{}", "{ url = 3 }", "{ ulr = 'x' }", "{ url = '' }",
      "{ url = 'a.example' }", "{ url = 'ftp://a.example' }", "{ url = 'http://' }",
      "{ url = 'http://u@a.example/' }", "{ url = 'http://a.example/ b' }",
      "{ url = 'http://a.example\\\\@b/' }",
      "{ url = 'http://b.example/' }", "{ url = 'http://x.c.example/' }",
      "{ url = 'http://c.example/' }", "{ url = 'https://a.example:80/' }",
      "{ url = 'http://A.EXAMPLE.evil/' }", "{ url = 'http://a.example/', method = 'get' }",
      "{ url = 'http://a.example/', method = 'CONNECT' }",
      "{ url = 'http://a.example/', method = 'GET', body = 'x' }",
      "{ url = 'http://a.example/', method = 'HEAD', file = '/tmp/x' }",
      "{ url = 'http://a.example/', headers = 'x' }",
      "{ url = 'http://a.example/', headers = { 'x' } }",
      "{ url = 'http://a.example/', headers = { X = 1 } }",
      "{ url = 'http://a.example/', headers = { ['a b'] = '' } }",
      "{ url = 'http://a.example/', headers = { Host = 'b' } }",
      "{ url = 'http://a.example/', headers = { ['Content-Length'] = '3' } }",
      "{ url = 'http://a.example/', headers = { ['transfer-encoding'] = 'chunked' } }",
      "{ url = 'http://a.example/', headers = { A = 'b\\r\\nHost: c' } }",
      "{ url = 'http://a.example/', sha256 = 'abc' }",
      "{ url = 'http://a.example/', timeout_s = 0 }",
      "{ url = 'http://a.example/', timeout_s = 0/0 }",
      "{ url = 'http://a.example/', max_bytes = 1.5 }",
      "{ url = 'http://a.example/', max_bytes = -1 }",
      "{ url = 'http://a.example/', max_bytes = 1 << 30 }",
      "{ url = 'http://a.example/', max_bytes = 1 << 50, file = '/tmp/x' }",
      "{ url = 'http://a.example/', ca = '/etc/ca.pem' }",
      "{ url = 'http://a.example/', body = ('x'):rep(5000000) }",
    }
    local _, out = process.run(world.Agent.program, { "call", "--json", "--handlers", path, "many",
      cjson.encode(misuses) }, nil, 30)
    local on_device = cjson.decode(out).payload
    local _, _, in_spec = testing.device(path .. "/many.lua"):command(misuses)
    for index, misuse in ipairs(misuses) do
      assert.matches("^kaa.http", on_device[index], 1, false)
      assert.are.equal(on_device[index], in_spec[index], misuse)
    end
  end)
end)
