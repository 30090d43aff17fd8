-- Authorities and certificates for the TLS tests, made with openssl.
local folder = require "support.folder"
local process = require "support.process"

local certificates = {}

local function openssl(path, ...)
  local status, _, err = process.run("/usr/bin/openssl", { ... }, { cwd = path }, 30)
  assert(status == 0, err)
end

local function make_authority(path, name)
  openssl(path, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
    "-nodes", "-keyout", name .. ".key", "-out", name .. ".crt", "-subj", "/CN=" .. name,
    "-days", "2")
end

local function make_certificate(path, authority, name, alternative)
  openssl(path, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    "-keyout", name .. ".key", "-out", name .. ".csr", "-subj", "/CN=" .. name)
  folder.write(path .. "/extensions", "subjectAltName=" .. alternative .. "\n")
  openssl(path, "x509", "-req", "-in", name .. ".csr", "-CA", authority .. ".crt", "-CAkey",
    authority .. ".key", "-CAcreateserial", "-out", name .. ".crt", "-days", "2",
    "-extfile", "extensions")
end

--- Fills an empty folder with ca, server (localhost), other (another name), client
--- and foreign (an authority), each a .crt and a .key.
function certificates.make(path)
  make_authority(path, "ca")
  make_authority(path, "foreign")
  make_certificate(path, "ca", "server", "DNS:localhost,IP:127.0.0.1")
  make_certificate(path, "ca", "other", "DNS:other.example")
  make_certificate(path, "ca", "client", "DNS:device-1")
  return path
end

return certificates
