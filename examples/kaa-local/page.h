/* The web page: the files of page/, compiled in. */
#ifndef KAA_LOCAL_PAGE_H
#define KAA_LOCAL_PAGE_H

#include "http.h"

#include <stddef.h>

struct page_file {
  const char *name; /* "index.html" */
  const unsigned char *bytes;
  size_t size_bytes;
};

/* Written by embed_page.cmake. */
extern const struct page_file page_files[];
extern const size_t page_file_count;

/* Answers a request for "/" or "/<name>"; 404 for anything else. */
void page_handle(struct http_request *request);

#endif
