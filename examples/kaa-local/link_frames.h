/* What kaa-local and its plugin in the broker say to each other: frames (base/frame.h) as
 * the payloads of two reserved topics, which only kaa-local's own client may use. It is known
 * by a client id and a password made anew at each start. */
#ifndef KAA_LOCAL_LINK_FRAMES_H
#define KAA_LOCAL_LINK_FRAMES_H

#define LINK_ROOT "kaa-local/"
#define LINK_TO_PLUGIN LINK_ROOT "to-plugin"
#define LINK_FROM_PLUGIN LINK_ROOT "from-plugin"

enum link_frame {
  /* kaa-local → plugin
   *   i64   connection  to which, or LINK_EVERYONE: to whoever has subscribed
   *   u8    qos
   *   text  topic
   *   bytes payload */
  LINK_PUSH = 'P',

  /* kaa-local → plugin: how to treat the devices; answered by READY. New credentials cut
   * all connections.
   *   u8    is_plain    messages go to whoever has subscribed, as in any broker
   *   text  username    "": everyone may connect
   *   text  password */
  LINK_SETTINGS = 'S',

  /* kaa-local → plugin: cut all connections of devices. */
  LINK_CUT = 'C',

  /* plugin → kaa-local */
  LINK_READY = 'R',

  /* plugin → kaa-local: a device has published.
   *   i64   connection  counted from 1, never used again
   *   u8    qos
   *   text  topic
   *   bytes payload */
  LINK_MESSAGE = 'M',

  /* plugin → kaa-local: a connection has ended.
   *   i64   connection */
  LINK_GONE = 'G',
};

enum { LINK_EVERYONE = 0 };

#endif
