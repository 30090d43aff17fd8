#include "handlers/source_listing.h"

#include "base/memory.h"
#include "handlers/sources.h"
#include "handlers/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

bool source_listing_is_source(const char *name)
{
  size_t size = strlen(name);
  return !strchr(".#~", name[0]) && size > 4 && !strcmp(name + size - 4, ".lua");
}

static void add(struct source_listing *listing, char *name, const struct file_stamp *stamp)
{
  listing->files =
      memory_resized(listing->files, (listing->count + 1) * sizeof *listing->files);
  listing->files[listing->count++] = (struct source_listed){name, *stamp};
}

static void set_fault(struct source_listing *listing, const char *path, char *what)
{
  if (!listing->fault)
    listing->fault = memory_format("%s: %s", path, what);
  free(what);
}

static void read_folder(struct source_listing *listing, const char *directory, const char *folder,
                        const struct sources_ports *ports, int depth);

/* `folder` is "" or "lib/…" with its slash. */
static void read_entry(struct source_listing *listing, const char *directory, const char *folder,
                       int folder_fd, const char *entry, const struct sources_ports *ports,
                       int depth)
{
  struct stat status;
  struct file_stamp stamp = {0};
  if (fstatat(folder_fd, entry, &status, 0) < 0)
    stamp.error = errno;
  else
    stamp = file_stamp_of(&status);
  char *name = memory_format("%s%s", folder, entry);
  if (S_ISDIR(stamp.mode)) {
    if (depth < DEPTH_MAX && (*folder || !strcmp(name, "lib"))) {
      char *inner = memory_format("%s/", name);
      read_folder(listing, directory, inner, ports, depth + 1);
      free(inner);
    }
  } else if (source_listing_is_source(entry)) {
    add(listing, name, &stamp);
    return;
  }
  free(name);
}

static void read_folder(struct source_listing *listing, const char *directory, const char *folder,
                        const struct sources_ports *ports, int depth)
{
  char *path = memory_format("%s%s%.*s", directory, *folder ? "/" : "",
                             *folder ? (int)strlen(folder) - 1 : 0, folder);
  if (ports && ports->folder)
    ports->folder(ports->context, path);
  DIR *stream = opendir(path);
  struct stat status;
  char *refusal = NULL;
  if (!stream || fstat(dirfd(stream), &status) < 0) {
    if (!*folder || errno != ENOENT) /* a folder may go while we look */
      set_fault(listing, path, memory_text(strerror(errno)));
  } else if ((refusal = trust_refusal(path, &status)) || (refusal = trust_link_refusal(path))) {
    set_fault(listing, path, refusal);
  } else {
    for (struct dirent *entry; errno = 0, (entry = readdir(stream));)
      if (entry->d_name[0] != '.')
        read_entry(listing, directory, folder, dirfd(stream), entry->d_name, ports, depth);
    if (errno)
      set_fault(listing, path, memory_text(strerror(errno)));
  }
  if (stream)
    closedir(stream);
  free(path);
}

void source_listing_read(struct source_listing *listing, const char *directory,
                         const struct sources_ports *ports)
{
  *listing = (struct source_listing){0};
  read_folder(listing, directory, "", ports, 0);
}

void source_listing_clear(struct source_listing *listing)
{
  for (size_t i = 0; i < listing->count; i++)
    free(listing->files[i].name);
  free(listing->files);
  free(listing->fault);
}
