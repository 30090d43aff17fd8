/* What the host and kaalua-http say to each other (frames of base/frame.h).
 *
 * kaalua-http is started under a leader (base/worker_frames.h, `serve`) with the
 * frames at HTTP_FRAMES_FD; the end of that stream ends it. It carries requests
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
};

#endif
