#include "journal/journal_sum.h"

#include <string.h>

static uint64_t mix(uint64_t sum, uint64_t value)
{
  sum = (sum ^ value) * UINT64_C(0x9e3779b97f4a7c15);
  return sum ^ (sum >> 32);
}

uint64_t journal_sum_begin(const char *table)
{
  return journal_sum_bytes(UINT64_C(0x6b61616c7561), table, strlen(table));
}

uint64_t journal_sum_integer(uint64_t sum, int64_t value)
{
  return mix(sum, (uint64_t)value);
}

static uint64_t word(const unsigned char *bytes, size_t size)
{
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) /* the same on every machine */
    value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

uint64_t journal_sum_bytes(uint64_t sum, const void *bytes, size_t size)
{
  sum = mix(sum, bytes ? (uint64_t)size : UINT64_MAX);
  const unsigned char *at = bytes;
  for (; bytes && size >= 8; size -= 8, at += 8)
    sum = mix(sum, word(at, 8));
  return bytes && size ? mix(sum, word(at, size)) : sum;
}

int64_t journal_sum_end(uint64_t sum, int is_short)
{
  sum = mix(sum, 1);
  return is_short ? (int64_t)(int32_t)(uint32_t)(sum >> 16) : (int64_t)sum;
}
