/* The border of libgristmill_http.so: one table of C functions, plain bytes across.
 *
 * libcurl brings a TLS library whose symbols would meet those that the Arrow wheel exports; behind this border each keeps its own.
 * Both sides include this file and nothing else of each other. Every call on one transfer comes from one thread at a time; what a
 * reply points to lives until the next call on that transfer. A closed transfer's connection is kept for the next one.
 */
#ifndef GRISTMILL_HTTP_MODULE_H
#define GRISTMILL_HTTP_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GM_HTTP_ABI 1

typedef struct GmHttp GmHttp;

typedef struct {
  const char* url;
  int64_t range_from;       /* -1: all of it */
  int64_t range_to;         /* the last byte; -1: to the end */
  const char* bearer_token; /* or "" */
  const char* ca_file;      /* or "": the system's */
  int64_t timeout_ms;       /* without a byte */
  int64_t connect_timeout_ms;
} GmHttpRequest;

typedef struct {
  long status;          /* of the last answer after redirects; 0: there was none */
  int64_t length;       /* of the body; -1: not said */
  int64_t total;        /* of the object, as Content-Range says; -1: not said */
  int64_t range_begin;  /* as Content-Range says; -1: not said */
  const char* tag;      /* ETag, or "" */
  const char* modified; /* Last-Modified, or "" */
  const char* error;    /* what went wrong below HTTP, or "" */
  int passing;          /* that may go away by itself */
} GmHttpReply;

enum { GM_HTTP_OK = 0, GM_HTTP_FAILED = -1 };

typedef struct {
  int abi;
  /* Sends a GET and waits for the head of its answer. Null only without memory; else reply() says what came. */
  GmHttp* (*open)(const GmHttpRequest* request, int* outcome);
  const GmHttpReply* (*reply)(GmHttp* t);
  /* The next bytes of the body, at most `bytes`; `got` 0 at its end. A body shorter than its length fails, passing. */
  int (*read)(GmHttp* t, void* out, int64_t bytes, int64_t* got);
  void (*close)(GmHttp* t);
} GmHttpTable;

typedef const GmHttpTable* (*GmHttpEntry)(void);
#define GM_HTTP_ENTRY "gristmill_http"

#ifdef __cplusplus
}
#endif

#endif
