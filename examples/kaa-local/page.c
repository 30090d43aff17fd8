#include "page.h"

#include "answer.h"

#include <string.h>

static const char *type_of(const char *name)
{
  static const struct {
    const char *ending, *type;
  } types[] = {
      {".html", "text/html; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"}, {".svg", "image/svg+xml"},
      {".png", "image/png"}, {".ico", "image/x-icon"}, {".json", "application/json"},
  };
  const char *ending = strrchr(name, '.');
  for (size_t i = 0; ending && i < sizeof types / sizeof *types; i++)
    if (!strcmp(types[i].ending, ending))
      return types[i].type;
  return "application/octet-stream";
}

void page_handle(struct http_request *request)
{
  const char *name = http_path(request) + 1;
  if (!*name)
    name = "index.html";
  for (size_t i = 0; i < page_file_count; i++) {
    if (strcmp(page_files[i].name, name) != 0)
      continue;
    if (!answer_allows(request, "GET, HEAD"))
      return;
    http_add_header(request, "Cache-Control", "no-cache");
    http_add_header(request, "X-Content-Type-Options", "nosniff");
    /* Nothing is fetched from elsewhere, and nothing that is shown can run. */
    http_add_header(request, "Content-Security-Policy",
                    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'");
    http_answer_static(request, 200, type_of(name), page_files[i].bytes, page_files[i].size_bytes);
    return;
  }
  answer_fault(request, 404, "There is no such path; the page is at /");
}
