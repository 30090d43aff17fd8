/* A failure that a person will read: a code for the caller, a sentence for the
 * person. The lowest layer words it, each layer above may put a prefix before
 * it, and the top decides where it is shown. Whoever returns an error does not
 * log it as well.
 *
 * Functions return 0 or a negative errno value (-EINVAL: wrong input;
 * -ENOENT: not there; …). A `struct error *` parameter may be NULL. */
#ifndef KAALUA_BASE_ERROR_H
#define KAALUA_BASE_ERROR_H

struct error {
  int code;        /* 0, or the negative errno value that was returned */
  char text[1024]; /* one sentence without a full stop; "" while code is 0 */
};

/* Fills `error` with a code and a formatted text; returns `code`. */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts a formatted text in front of what `error` says; returns its code. */
int error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
