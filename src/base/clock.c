#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ms(void)
{
  return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_boot_ms(void)
{
  return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
  return read_ms(CLOCK_REALTIME);
}

void clock_stamp(int64_t wall_ms, char text[CLOCK_STAMP_BYTES])
{
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm parts;
  gmtime_r(&seconds, &parts);
  size_t n = strftime(text, CLOCK_STAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text + n, CLOCK_STAMP_BYTES - n, ".%03dZ", (int)(wall_ms % 1000));
}
