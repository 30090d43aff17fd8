/* What the host and kaalua-http say to each other (frames of base/frame.h).
 *
 * `kaalua-http fetch` is for one transfer of a handler (kaa.http): it is given one FETCH,
 * answers with one FETCHED, and ends. Where the body goes to a file, that is its standard
 * output: a regular file, opened by the worker, written from its start on. It knows
 * nothing of the platform.
 *
 * `kaalua-http` alone is for an http(s) platform. It is started under a leader
 * (base/worker_frames.h, `serve`) with the frames at HTTP_FRAMES_FD; the end of that stream ends it. It carries requests
 * out at the same time, as many as it is given, over connections that it keeps,
 * and answers each with one ANSWER, in whatever order they end. It follows no
 * redirect, keeps no cookie, uses no proxy of the environment, and takes a body as
 * it comes: nothing is unpacked.
 *
 * libcurl sends a POST once more, by itself, where a connection that was kept
 * turns out to be closed before an answer: every request must be one that may
 * arrive twice. Polls are; a result is told by its command's id; telemetry and
 * metadata may repeat. */
#ifndef KAALUA_BASE_HTTP_FRAMES_H
#define KAALUA_BASE_HTTP_FRAMES_H

enum { HTTP_FRAMES_FD = 3 };

enum http_frame {
  /* host → helper, first and once: how all requests are made.
   *   text  base           "https://host:port/path", no slash behind it
   *   text  ca_file        "": the system's
   *   text  cert_file      "": none
   *   text  key_file
   *   text  username       "": no authentication
   *   text  password_file  read for each request, so that a new password is taken
   *   i64   connect_ms     until the connection stands, name lookup and TLS included
   *   i64   silence_s      without a byte from the peer
   *   i64   total_ms       for a request, whatever moves
   *   i64   max_body       bytes of an answer's body; what goes on is cut off */
  HTTP_SETUP = 'S',

  /* host → helper: POST the body as application/json.
   *   u32   number         the host's number for it
   *   text  path           behind base, percent-encoded, begins with a slash
   *   bytes body */
  HTTP_REQUEST = 'R',

  /* helper → host: how it ended.
   *   u32   number
   *   u32   status         0: no answer, or not a whole one
   *   u8    unreachable    1: no connection could be made; 0 with a status
   *   i64   retry_after_s  as Retry-After says; 0: it does not
   *   text  note           without a status, why; with a redirect, where to;
   *                        with a body that was cut off, that it was; else ""
   *   bytes body           "" where it was cut off */
  HTTP_ANSWER = 'A',

  /* host → helper, in the mode `fetch`, first and once.
   *   text  method
   *   text  url
   *   u32   count, then texts "Name: value"
   *   u8    has_body
   *   bytes body
   *   u8    is_narrowed    1: only the servers that follow may be asked
   *   u32   count, then texts: entries of needs.net (base/http_url.h)
   *   text  sha256         64 hexadecimal digits of the body, small; "": any
   *   text  ca             PEM: the authorities in place of the system's; "": those
   *   i64   max_bytes      of a body; one that is larger ends the transfer
   *   u8    to_file
   *   i64   connect_ms     until a connection stands, name lookup and TLS included
   *   i64   silence_s      without a byte from the server
   *   i64   timeout_ms     what the handler has given it, for messages; 0: no limit
   *   i64   total_ms       what is left of that, redirects included */
  HTTP_FETCH = 'F',

  /* helper → host, once. WORKER_FETCHED has the same fields behind its call.
   *   text  failure        "" where a server answered, whatever it said; else one line
   *   text  place          "GET https://host/path" of what was asked last
   *   u32   status
   *   text  phrase         the server's words for it, one line, may be ""
   *   u32   count, then pairs of texts: header name in small letters, value; each
   *                        name once, its values joined by ", "
   *   i64   size_bytes     of the body
   *   bytes body           "" where it went to the file: that is the body of a 2xx, of any
   *                        other status there are at most HTTP_COMPLAINT_BYTES of it here */
  HTTP_FETCHED = 'f',
};

enum { HTTP_COMPLAINT_BYTES = 64 * 1024 };

#endif
