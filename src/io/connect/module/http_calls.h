/* A second border of libgristmill_http.so: many whole requests at once on one thread.
 *
 * A loop holds any number of calls, a connection for each that is under way and none for the others; connections are kept and used
 * again. run() is the thread: it returns after stop(). start() and cancel() may come from any thread, also from within `answered`.
 * Every call that was started is answered exactly once, on the loop's thread; what the answer points to lives until `answered` returns.
 * Both sides include this file and nothing else of each other.
 */
#ifndef GRISTMILL_HTTP_CALLS_H
#define GRISTMILL_HTTP_CALLS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GM_HTTP_CALLS_ABI 1

typedef struct GmHttpLoop GmHttpLoop;

typedef struct {
  uint64_t id;        /* the caller's, of no other call that is under way */
  const char* method; /* GET, POST, ... */
  const char* url;
  const char* const* headers; /* "Name: value", ended by null; may be null */
  const char* body;           /* null: none; copied */
  size_t body_bytes;
  const char* bearer_token; /* or "" */
  const char* ca_file;      /* or "": the system's */
  int64_t timeout_ms;       /* of the whole request */
  int64_t connect_timeout_ms;
  int64_t most_bytes; /* of the answer's body; a longer one fails */
} GmHttpCall;

/* What came of a call. */
enum {
  GM_HTTP_ANSWERED = 0,  /* a whole answer of any status */
  GM_HTTP_BROKEN = 1,    /* may go away by itself: not reached, reset, ended early */
  GM_HTTP_TIMED_OUT = 2, /* may go away by itself */
  GM_HTTP_TOO_LONG = 3,  /* the body passes most_bytes */
  GM_HTTP_REFUSED = 4,   /* will not go away: no such protocol, a certificate that is not trusted, ... */
  GM_HTTP_CANCELLED = 5,
};

typedef struct {
  uint64_t id;
  int outcome;
  long status;
  const char* body;
  size_t body_bytes;
  int64_t retry_after_ms;   /* what the server asks to wait; -1: nothing */
  const char* content_type; /* these or "" */
  const char* link;         /* all Link headers, comma between */
  const char* redirect;     /* the absolute address that a 3xx names */
  const char* error;        /* when there is no whole answer */
} GmHttpAnswer;

typedef struct {
  int abi;
  /* Null only without memory or descriptors. */
  GmHttpLoop* (*open)(int64_t most_connections, void (*answered)(void* context, const GmHttpAnswer* answer), void* context);
  void (*run)(GmHttpLoop* loop);
  /* 1; or 0 without memory or after stop(), and then nothing is answered. */
  int (*start)(GmHttpLoop* loop, const GmHttpCall* call);
  void (*cancel)(GmHttpLoop* loop, uint64_t id);
  /* What is under way is answered as cancelled, then run() returns. */
  void (*stop)(GmHttpLoop* loop);
  void (*close)(GmHttpLoop* loop); /* after run() has returned */
} GmHttpCallsTable;

typedef const GmHttpCallsTable* (*GmHttpCallsEntry)(void);
#define GM_HTTP_CALLS_ENTRY "gristmill_http_calls"

#ifdef __cplusplus
}
#endif

#endif
