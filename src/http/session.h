/* The life of kaalua-http: takes requests from the frames socket
 * (base/http_frames.h), carries them out at the same time, answers each. */
#ifndef KAALUA_HTTP_SESSION_H
#define KAALUA_HTTP_SESSION_H

/* Runs until the host closes the frames. Returns the exit status: 0, or 1 where
 * the other side does not speak frames. curl_global_init() was called. */
int session_run(void);

#endif
