#include "base/nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 64, SHORTEST_BEGINNING = 3 };

static int lower(char c)
{
  return tolower((unsigned char)c);
}

static int smaller(int a, int b)
{
  return a < b ? a : b;
}

/* Optimal string alignment: the table's row i is about the first i letters of `a`. */
static int slips(const char *a, size_t a_size, const char *b, size_t b_size)
{
  int rows[LONGEST + 1][LONGEST + 1];
  for (size_t i = 0; i <= a_size; i++)
    rows[i][0] = (int)i;
  for (size_t j = 0; j <= b_size; j++)
    rows[0][j] = (int)j;
  for (size_t i = 1; i <= a_size; i++)
    for (size_t j = 1; j <= b_size; j++) {
      int differs = lower(a[i - 1]) != lower(b[j - 1]);
      rows[i][j] = smaller(smaller(rows[i - 1][j], rows[i][j - 1]) + 1, rows[i - 1][j - 1] + differs);
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        rows[i][j] = smaller(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  return rows[a_size][b_size];
}

static int begin_alike(const char *a, size_t a_size, const char *b, size_t b_size)
{
  size_t shorter = a_size < b_size ? a_size : b_size;
  return shorter >= SHORTEST_BEGINNING && !strncasecmp(a, b, shorter);
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
  size_t size = strlen(word);
  int fewest = size <= 3 ? 2 : 3;
  const char *best = NULL, *related = NULL;
  for (size_t i = 0; i < count && size <= LONGEST; i++) {
    size_t name_size = strlen(names[i]);
    if (name_size > LONGEST)
      continue;
    int found = slips(word, size, names[i], name_size);
    if (found < fewest) {
      best = names[i];
      fewest = found;
    }
    if (!related && begin_alike(word, size, names[i], name_size))
      related = names[i];
  }
  return best ? best : related;
}
