#include "supervision/requires.h"

#include "base/memory.h"
#include "supervision/library.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_TEXT, TOKEN_SIGN };

struct token {
  enum token_kind kind;
  const char *text; /* of a string literal: between its quotes */
  size_t size;
};

struct reader {
  const char *at;
  const char *end;
};

struct closure {
  const struct library *library;
  bool *is_required;
  size_t *order; /* the required ones as they were found */
  size_t count;
  uint64_t hash;
};

static bool is_word_char(char c)
{
  return isalnum((unsigned char)c) || c == '_';
}

static char peek(const struct reader *reader, size_t ahead)
{
  return (size_t)(reader->end - reader->at) > ahead ? reader->at[ahead] : '\0';
}

/* At "[[" or "[==[": the text up to the closing bracket, or to the end. Returns false
 * where no such bracket is. */
static bool read_long(struct reader *reader, struct token *token)
{
  size_t level = 0;
  while (peek(reader, level + 1) == '=')
    level++;
  if (peek(reader, 0) != '[' || peek(reader, level + 1) != '[')
    return false;
  const char *start = reader->at + level + 2;
  for (reader->at = start; reader->at < reader->end; reader->at++) {
    size_t n = 0;
    if (*reader->at != ']')
      continue;
    while (n < level && peek(reader, n + 1) == '=')
      n++;
    if (n == level && peek(reader, level + 1) == ']')
      break;
  }
  *token = (struct token){TOKEN_TEXT, start, (size_t)(reader->at - start)};
  reader->at += reader->at < reader->end ? level + 2 : 0;
  return true;
}

static void read_short(struct reader *reader, struct token *token)
{
  char quote = *reader->at++;
  const char *start = reader->at;
  while (reader->at < reader->end && *reader->at != quote)
    reader->at += *reader->at == '\\' && reader->at + 1 < reader->end ? 2 : 1;
  *token = (struct token){TOKEN_TEXT, start, (size_t)(reader->at - start)};
  reader->at += reader->at < reader->end;
}

static void skip_comment(struct reader *reader)
{
  struct token unused;
  reader->at += 2;
  if (read_long(reader, &unused))
    return;
  while (reader->at < reader->end && *reader->at != '\n')
    reader->at++;
}

static struct token next(struct reader *reader)
{
  struct token token;
  for (;;) {
    while (reader->at < reader->end && isspace((unsigned char)*reader->at))
      reader->at++;
    if (peek(reader, 0) != '-' || peek(reader, 1) != '-')
      break;
    skip_comment(reader);
  }
  if (reader->at >= reader->end)
    return (struct token){.kind = TOKEN_END};
  char c = *reader->at;
  if (c == '"' || c == '\'') {
    read_short(reader, &token);
    return token;
  }
  if (c == '[' && read_long(reader, &token))
    return token;
  token = (struct token){TOKEN_SIGN, reader->at, 1};
  while (reader->at < reader->end && is_word_char(*reader->at)) {
    token.kind = TOKEN_WORD; /* numbers, too: they are of no interest */
    reader->at++;
  }
  if (token.kind == TOKEN_SIGN)
    reader->at++;
  token.size = (size_t)(reader->at - token.text);
  return token;
}

static bool is(const struct token *token, enum token_kind kind, const char *text)
{
  return token->kind == kind && token->size == strlen(text) &&
         !memcmp(token->text, text, token->size);
}

/* A chunk or a key in a string: load "return require 'x'", t["require"]. */
static bool holds_require(const struct token *text)
{
  static const char word[] = "require";
  size_t size = sizeof word - 1;
  for (size_t i = 0; i + size <= text->size; i++)
    if (!memcmp(text->text + i, word, size) && (!i || !is_word_char(text->text[i - 1])) &&
        (i + size == text->size || !is_word_char(text->text[i + size])))
      return true;
  return false;
}

/* Behind the word `require`: sets `name` where a plain string names the library. */
static bool read_name(struct reader *reader, struct token *name)
{
  *name = next(reader);
  bool in_parentheses = is(name, TOKEN_SIGN, "(");
  if (in_parentheses)
    *name = next(reader);
  if (name->kind != TOKEN_TEXT || memchr(name->text, '\\', name->size))
    return false;
  if (!in_parentheses)
    return true;
  struct token behind = next(reader);
  return is(&behind, TOKEN_SIGN, ")");
}

static void require_all(struct closure *closure)
{
  for (size_t i = 0; i < closure->library->count; i++)
    if (!closure->is_required[i]) {
      closure->is_required[i] = true;
      closure->order[closure->count++] = i;
    }
  closure->hash = source_hash(closure->hash, "\1", 1);
}

static void require_one(struct closure *closure, const struct token *name)
{
  closure->hash = source_hash(closure->hash, name->text, name->size);
  closure->hash = source_hash(closure->hash, "", 1);
  for (size_t i = 0; i < closure->library->count; i++) {
    const char *module = closure->library->sources[i].module;
    if (strlen(module) == name->size && !memcmp(module, name->text, name->size) &&
        !closure->is_required[i]) {
      closure->is_required[i] = true;
      closure->order[closure->count++] = i;
    }
  }
}

static void read_source(struct closure *closure, const char *text, size_t size)
{
  struct reader reader = {text, text + size};
  closure->hash = source_hash(closure->hash, text, size);
  struct token token;
  while ((token = next(&reader)).kind != TOKEN_END) {
    struct token name;
    if (is(&token, TOKEN_WORD, "require")) {
      if (read_name(&reader, &name))
        require_one(closure, &name);
      else
        require_all(closure);
    } else if (is(&token, TOKEN_WORD, "load") || is(&token, TOKEN_WORD, "_G") ||
               is(&token, TOKEN_WORD, "_ENV") ||
               (token.kind == TOKEN_TEXT && holds_require(&token))) {
      require_all(closure);
    }
  }
}

uint64_t requires_hash(const char *text, size_t text_bytes, const struct library *library)
{
  struct closure closure = {
      .library = library,
      .is_required = memory_zeroed(library->count + 1, sizeof *closure.is_required),
      .order = memory_zeroed(library->count + 1, sizeof *closure.order),
  };
  read_source(&closure, text, text_bytes);
  for (size_t i = 0; i < closure.count; i++) {
    const struct source *source = &library->sources[closure.order[i]];
    closure.hash = source_hash(closure.hash, source->module, strlen(source->module) + 1);
    read_source(&closure, source->text, source->text_bytes);
  }
  free(closure.is_required);
  free(closure.order);
  return closure.hash;
}
