/* The border of libgristmill_postgres.so: one table of C functions, plain bytes across.
 *
 * libpq brings a TLS library whose symbols would meet those that the Arrow wheel exports; behind this border each keeps its own.
 * Both sides include this file and nothing else of each other. Every call on one connection comes from one thread at a
 * time; what a call returned as a pointer lives until the next call on that connection.
 *
 * Calls that wait ask `stop` about ten times a second; once it is not 0 they give up with GM_PG_STOPPED (a statement that
 * runs is cancelled at the server, and the connection is of no more use).
 */
#ifndef GRISTMILL_POSTGRES_MODULE_H
#define GRISTMILL_POSTGRES_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GM_PG_ABI 1

typedef struct GmPg GmPg;
typedef struct {
  int (*ask)(void* context);
  void* context;
} GmPgStop;

enum { GM_PG_OK = 0, GM_PG_END = 1, GM_PG_FAILED = -1, GM_PG_STOPPED = -2 };
/* What a connection is in after a statement. */
enum { GM_PG_IDLE = 0, GM_PG_COPY_OUT = 1, GM_PG_COPY_IN = 2 };

typedef struct {
  const char* sqlstate; /* five characters, or "" when the error is not the server's */
  const char* message;
  const char* detail;
  const char* hint;
  const char* context;
  int lost; /* the connection is gone */
} GmPgError;

typedef struct {
  const char* name;
  uint32_t type;
  int32_t modifier;
} GmPgField;

typedef struct {
  int abi;
  /* Takes a connection string apart: `each` gets every setting that is not at its default. GM_PG_FAILED: `reason` says why. */
  int (*parse)(const char* text, void* context, void (*each)(void* context, const char* key, const char* value, int secret), char* reason,
               size_t reason_size);
  /* Null only without memory. Check with state() >= 0 or error(). */
  GmPg* (*connect)(const char* text, GmPgStop stop, int* outcome);
  void (*close)(GmPg* c);
  const GmPgError* (*error)(GmPg* c);
  const char* (*parameter)(GmPg* c, const char* name); /* server_version, server_encoding, ... or "" */
  int (*in_transaction)(GmPg* c);                      /* 0 no, 1 yes, 2 yes, and it has failed */
  int (*state)(GmPg* c);

  /* One statement with parameters as text (null = NULL), or without parameters any number. At most `most_rows` rows are kept; more fail. */
  int (*execute)(GmPg* c, const char* sql, int parameters, const char* const* values, int64_t most_rows, GmPgStop stop);
  int64_t (*rows)(GmPg* c);
  int (*fields)(GmPg* c);
  GmPgField (*field)(GmPg* c, int i);
  const char* (*value)(GmPg* c, int64_t row, int field, size_t* size); /* null = NULL */
  const char* (*tag)(GmPg* c);                                         /* "INSERT 0 3" */
  /* Names and types of what a statement would give; nothing runs. Then fields(), field(). */
  int (*describe)(GmPg* c, const char* sql, GmPgStop stop);

  /* After a COPY ... TO STDOUT: the next row, GM_PG_END after the last one. */
  int (*copy_out)(GmPg* c, const char** data, size_t* size, GmPgStop stop);
  int (*copy_in)(GmPg* c, const char* data, size_t size, GmPgStop stop);
  /* `refusal` null: all was sent; tag() then says how many rows. Otherwise the server undoes the COPY and this fails. */
  int (*copy_in_end)(GmPg* c, const char* refusal, GmPgStop stop);
} GmPgTable;

typedef const GmPgTable* (*GmPgEntry)(void);
#define GM_PG_ENTRY "gristmill_postgres"

#ifdef __cplusplus
}
#endif
#endif
