// libgristmill_postgres.so: libpq behind the table of postgres_module.h.
//
// The connection is non-blocking throughout; every wait is a poll() of a tenth of a second, after which the caller's stop is asked.
// Nothing of the engine or of Arrow is used here, and no exception leaves: memory for a connection is taken with nothrow.

#include "postgres_module.h"

#include <libpq-fe.h>
#include <poll.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

struct GmPg {
  PGconn* conn = nullptr;
  std::string bytes;                               // values of the rows, one behind another
  std::vector<std::pair<size_t, int64_t>> values;  // begin and size in `bytes`, row by row; size -1: NULL
  int64_t rows = 0;
  PGresult* last = nullptr;  // names and types, tag
  std::string tag;
  char* copied = nullptr;  // what PQgetCopyData gave last
  int state = GM_PG_IDLE;
  GmPgError error{};
  std::string message, detail, hint, context, sqlstate;
};

namespace {

constexpr int kPollMilliseconds = 100;
constexpr size_t kMostBytes = size_t{256} << 20;  // of the rows of one statement

void forget_rows(GmPg* c) {
  c->bytes.clear();
  c->values.clear();
  c->rows = 0;
  if (c->last) PQclear(c->last);
  c->last = nullptr;
}

void forget_copied(GmPg* c) {
  if (c->copied) PQfreemem(c->copied);
  c->copied = nullptr;
}

std::string field_of(const PGresult* r, int code) {
  const char* text = r ? PQresultErrorField(r, code) : nullptr;
  return text ? text : "";
}

std::string trimmed(const char* text) {
  std::string out = text ? text : "";
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

int fail(GmPg* c, const PGresult* r, const char* own = nullptr) {
  c->sqlstate = field_of(r, PG_DIAG_SQLSTATE);
  c->message = field_of(r, PG_DIAG_MESSAGE_PRIMARY);
  c->detail = field_of(r, PG_DIAG_MESSAGE_DETAIL);
  c->hint = field_of(r, PG_DIAG_MESSAGE_HINT);
  c->context = field_of(r, PG_DIAG_CONTEXT);
  if (own) c->message = own;
  if (c->message.empty() && r) c->message = trimmed(PQresultErrorMessage(r));
  if (c->message.empty()) c->message = trimmed(PQerrorMessage(c->conn));
  const bool ended = c->sqlstate.starts_with("57P") || c->sqlstate.starts_with("08");
  c->error.lost = c->conn == nullptr || PQstatus(c->conn) != CONNECTION_OK || ended;
  c->state = GM_PG_IDLE;
  return GM_PG_FAILED;
}

bool stopped(GmPgStop stop) { return stop.ask && stop.ask(stop.context) != 0; }

// Waits until the socket can do what is asked. GM_PG_OK also when only the time is over: callers look again.
int wait_socket(PGconn* conn, short events, GmPgStop stop) {
  pollfd p{PQsocket(conn), events, 0};
  if (p.fd < 0) return GM_PG_FAILED;
  poll(&p, 1, kPollMilliseconds);
  return stopped(stop) ? GM_PG_STOPPED : GM_PG_OK;
}

void cancel_statement(GmPg* c) {
  PGcancel* cancel = PQgetCancel(c->conn);
  if (!cancel) return;
  char reason[128];
  PQcancel(cancel, reason, sizeof reason);
  PQfreeCancel(cancel);
}

int give_up(GmPg* c) {
  cancel_statement(c);
  c->error.lost = 1;
  c->message = "stopped";
  c->state = GM_PG_IDLE;
  return GM_PG_STOPPED;
}

// Sends what waits to be sent; reads meanwhile, as a server that cannot send stops receiving.
int flush(GmPg* c, GmPgStop stop) {
  while (true) {
    const int left = PQflush(c->conn);
    if (left < 0) return fail(c, nullptr);
    if (left == 0) return GM_PG_OK;
    const int waited = wait_socket(c->conn, POLLIN | POLLOUT, stop);
    if (waited == GM_PG_STOPPED) return give_up(c);
    if (waited != GM_PG_OK || !PQconsumeInput(c->conn)) return fail(c, nullptr);
  }
}

int next_result(GmPg* c, PGresult** out, GmPgStop stop) {
  while (PQisBusy(c->conn)) {
    const int waited = wait_socket(c->conn, POLLIN, stop);
    if (waited == GM_PG_STOPPED) return give_up(c);
    if (waited != GM_PG_OK || !PQconsumeInput(c->conn)) {
      fail(c, nullptr);
      if (PGresult* r = PQgetResult(c->conn)) {  // what the server said before it went
        fail(c, r);
        PQclear(r);
      }
      c->error.lost = 1;
      return GM_PG_FAILED;
    }
  }
  *out = PQgetResult(c->conn);
  return GM_PG_OK;
}

// Reads what is left of a statement after an error, so that the connection can take the next one.
void drain(GmPg* c, GmPgStop stop) {
  const GmPgError kept = c->error;
  PGresult* r = nullptr;
  while (PQstatus(c->conn) == CONNECTION_OK && next_result(c, &r, stop) == GM_PG_OK && r) PQclear(r);
  if (kept.lost) c->error.lost = 1;
}

void keep_row(GmPg* c, const PGresult* r) {
  for (int i = 0; i < PQnfields(r); ++i) {
    const bool null = PQgetisnull(r, 0, i) != 0;
    const int64_t size = null ? -1 : PQgetlength(r, 0, i);
    c->values.emplace_back(c->bytes.size(), size);
    if (!null) c->bytes.append(PQgetvalue(r, 0, i), static_cast<size_t>(size));
  }
  ++c->rows;
}

// All results of what was sent. Rows come one by one, so that too many can be refused before they fill the memory.
int collect(GmPg* c, int64_t most_rows, GmPgStop stop) {
  forget_rows(c);
  c->state = GM_PG_IDLE;
  c->tag.clear();
  int outcome = flush(c, stop);
  if (outcome != GM_PG_OK) return outcome;
  for (bool ended = false;;) {
    PGresult* r = nullptr;
    outcome = next_result(c, &r, stop);
    if (outcome != GM_PG_OK) return outcome;
    if (!r) return GM_PG_OK;
    switch (PQresultStatus(r)) {
      case PGRES_SINGLE_TUPLE:
        if (ended) forget_rows(c);  // of several statements the last counts
        ended = false;
        keep_row(c, r);
        PQclear(r);
        if (c->rows <= most_rows && c->bytes.size() <= kMostBytes) break;
        cancel_statement(c);
        forget_rows(c);
        fail(c, nullptr, "the statement gives too many rows to be held here");
        drain(c, stop);
        return GM_PG_FAILED;
      case PGRES_TUPLES_OK:
      case PGRES_COMMAND_OK:
        if (ended) forget_rows(c);
        ended = true;
        c->tag = PQcmdStatus(r);
        c->last = r;
        break;
      case PGRES_EMPTY_QUERY: PQclear(r); break;
      case PGRES_COPY_OUT:
        c->state = GM_PG_COPY_OUT;
        PQclear(r);
        return GM_PG_OK;
      case PGRES_COPY_IN:
        c->state = GM_PG_COPY_IN;
        PQclear(r);
        return GM_PG_OK;
      default:
        fail(c, r);
        PQclear(r);
        forget_rows(c);
        drain(c, stop);
        return GM_PG_FAILED;
    }
  }
}

int parse(const char* text, void* context, void (*each)(void*, const char*, const char*, int), char* reason, size_t size) {
  char* why = nullptr;
  PQconninfoOption* options = PQconninfoParse(text, &why);
  if (!options) {
    std::snprintf(reason, size, "%s", trimmed(why).c_str());
    PQfreemem(why);
    return GM_PG_FAILED;
  }
  for (const PQconninfoOption* o = options; o->keyword; ++o) {
    if (o->val) each(context, o->keyword, o->val, std::strcmp(o->dispchar, "*") == 0);
  }
  PQconninfoFree(options);
  return GM_PG_OK;
}

// PQconnectPoll leaves time limits to its caller: connect_timeout is kept here, for the whole of it.
int await_connection(GmPg* c, int seconds, GmPgStop stop) {
  const auto begin = std::chrono::steady_clock::now();
  PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
  while (PQstatus(c->conn) != CONNECTION_BAD) {
    if (wants == PGRES_POLLING_OK) return GM_PG_OK;
    if (wants == PGRES_POLLING_FAILED) break;
    const int waited = wait_socket(c->conn, wants == PGRES_POLLING_READING ? POLLIN : POLLOUT, stop);
    if (waited == GM_PG_STOPPED) {
      c->error.lost = 1;
      return GM_PG_STOPPED;
    }
    pollfd p{PQsocket(c->conn), static_cast<short>(wants == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (p.fd < 0) break;
    if (poll(&p, 1, 0) > 0) wants = PQconnectPoll(c->conn);
    if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(seconds)) {
      return fail(c, nullptr, ("no connection within " + std::to_string(seconds) + " seconds").c_str());
    }
  }
  return fail(c, nullptr);
}

GmPg* connect(const char* text, GmPgStop stop, int* outcome) {
  GmPg* c = new (std::nothrow) GmPg;
  if (!c) return nullptr;
  c->conn = PQconnectStart(text);
  if (!c->conn) {
    *outcome = fail(c, nullptr, "no memory for a connection");
    return c;
  }
  int seconds = 30;
  if (PQconninfoOption* options = PQconninfo(c->conn)) {
    for (const PQconninfoOption* o = options; o->keyword; ++o) {
      if (o->val && std::strcmp(o->keyword, "connect_timeout") == 0 && std::atoi(o->val) > 0) seconds = std::atoi(o->val);
    }
    PQconninfoFree(options);
  }
  *outcome = await_connection(c, seconds, stop);
  if (*outcome == GM_PG_OK) {
    PQsetnonblocking(c->conn, 1);
    PQsetNoticeProcessor(c->conn, [](void*, const char*) {}, nullptr);
    PQsetClientEncoding(c->conn, "UTF8");
  }
  return c;
}

void close(GmPg* c) {
  forget_rows(c);
  forget_copied(c);
  if (c->conn) PQfinish(c->conn);
  std::unique_ptr<GmPg> owned(c);
}

const GmPgError* error(GmPg* c) {
  c->error.sqlstate = c->sqlstate.c_str();
  c->error.message = c->message.c_str();
  c->error.detail = c->detail.c_str();
  c->error.hint = c->hint.c_str();
  c->error.context = c->context.c_str();
  return &c->error;
}

const char* parameter(GmPg* c, const char* name) {
  const char* value = PQparameterStatus(c->conn, name);
  return value ? value : "";
}

int in_transaction(GmPg* c) {
  switch (PQtransactionStatus(c->conn)) {
    case PQTRANS_INERROR: return 2;
    case PQTRANS_INTRANS:
    case PQTRANS_ACTIVE: return 1;
    default: return 0;
  }
}

int state(GmPg* c) { return c->state; }

int execute(GmPg* c, const char* sql, int parameters, const char* const* values, int64_t most_rows, GmPgStop stop) {
  const int sent = parameters == 0 ? PQsendQuery(c->conn, sql)
                                   : PQsendQueryParams(c->conn, sql, parameters, nullptr, values, nullptr, nullptr, /*resultFormat=*/0);
  if (!sent) return fail(c, nullptr);
  PQsetSingleRowMode(c->conn);
  return collect(c, most_rows, stop);
}

int64_t rows(GmPg* c) { return c->rows; }

int fields(GmPg* c) { return c->last ? PQnfields(c->last) : 0; }

GmPgField field(GmPg* c, int i) { return {PQfname(c->last, i), PQftype(c->last, i), PQfmod(c->last, i)}; }

const char* value(GmPg* c, int64_t row, int field, size_t* size) {
  const auto [begin, length] = c->values[static_cast<size_t>(row) * static_cast<size_t>(fields(c)) + static_cast<size_t>(field)];
  if (length < 0) return nullptr;
  *size = static_cast<size_t>(length);
  return c->bytes.data() + begin;
}

const char* tag(GmPg* c) { return c->tag.c_str(); }

int describe(GmPg* c, const char* sql, GmPgStop stop) {
  if (!PQsendPrepare(c->conn, "", sql, 0, nullptr)) return fail(c, nullptr);
  const int prepared = collect(c, 0, stop);
  if (prepared != GM_PG_OK) return prepared;
  if (!PQsendDescribePrepared(c->conn, "")) return fail(c, nullptr);
  return collect(c, 0, stop);
}

int copy_out(GmPg* c, const char** data, size_t* size, GmPgStop stop) {
  while (true) {
    forget_copied(c);
    const int n = PQgetCopyData(c->conn, &c->copied, /*async=*/1);
    if (n > 0) {
      *data = c->copied;
      *size = static_cast<size_t>(n);
      return GM_PG_OK;
    }
    if (n == -2) {
      fail(c, nullptr);
      c->error.lost = 1;
      return GM_PG_FAILED;
    }
    if (n == -1) {  // the end, well or badly
      const int outcome = collect(c, 0, stop);
      return outcome == GM_PG_OK ? GM_PG_END : outcome;
    }
    const int waited = wait_socket(c->conn, POLLIN, stop);
    if (waited == GM_PG_STOPPED) return give_up(c);
    if (waited != GM_PG_OK || !PQconsumeInput(c->conn)) {
      fail(c, nullptr);
      c->error.lost = 1;
      return GM_PG_FAILED;
    }
  }
}

// An error that the server reports in the middle ends the COPY: what it said is the result that waits.
int copy_failed(GmPg* c, GmPgStop stop) {
  const int outcome = collect(c, 0, stop);
  return outcome == GM_PG_OK ? fail(c, nullptr) : outcome;
}

int copy_in(GmPg* c, const char* data, size_t size, GmPgStop stop) {
  constexpr size_t kPiece = size_t{1} << 20;
  for (size_t at = 0; at < size;) {
    const int n = static_cast<int>(size - at < kPiece ? size - at : kPiece);
    const int sent = PQputCopyData(c->conn, data + at, n);
    if (sent < 0) return copy_failed(c, stop);
    if (sent > 0) at += static_cast<size_t>(n);
    while (true) {
      const int left = PQflush(c->conn);
      if (left < 0) return copy_failed(c, stop);
      if (!PQconsumeInput(c->conn)) return copy_failed(c, stop);
      if (left == 0) break;
      const int waited = wait_socket(c->conn, POLLIN | POLLOUT, stop);
      if (waited == GM_PG_STOPPED) return give_up(c);
      if (waited != GM_PG_OK) return copy_failed(c, stop);
    }
  }
  return GM_PG_OK;
}

int copy_in_end(GmPg* c, const char* refusal, GmPgStop stop) {
  while (true) {
    const int sent = PQputCopyEnd(c->conn, refusal);
    if (sent < 0) return copy_failed(c, stop);
    if (sent > 0) break;
    const int waited = wait_socket(c->conn, POLLOUT, stop);
    if (waited == GM_PG_STOPPED) return give_up(c);
    if (waited != GM_PG_OK) return fail(c, nullptr);
  }
  return collect(c, 0, stop);
}

const GmPgTable kTable = {GM_PG_ABI, parse,  connect, close, error, parameter, in_transaction, state,   execute,
                          rows,      fields, field,   value, tag,   describe,  copy_out,       copy_in, copy_in_end};

}  // namespace

extern "C" __attribute__((visibility("default"))) const GmPgTable* gristmill_postgres(void) { return &kTable; }
