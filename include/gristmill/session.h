// Statements that belong together: the tables, views, prepared statements and settings that one leaves for the next.
//
//   Session session;
//   ARROW_RETURN_NOT_OK(session.execute("create table trips as select * from 'trips/*.parquet'; set threads = 4").status());
//   ARROW_ASSIGN_OR_RAISE(Outcome top, session.execute("select * from trips where fare > $1", {.parameters = {.positional = {limit}}}));
//   ARROW_ASSIGN_OR_RAISE(Table rows, top.rows->collect(session.options()));
//
// Tables live in memory, as long as the session or a result that reads them. A statement that fails changes nothing. Names are found in the
// given tables, then in the session, then in `variables`, then as files.
// Thread safety: one statement at a time; frames that came out of it are anybody's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "gristmill/frame.h"
#include "gristmill/sql.h"
#include "gristmill/stream.h"

namespace gristmill {

struct SqlInput {
  std::vector<std::pair<std::string, Frame>> tables = {};
  SqlParameters parameters = {};
  std::vector<std::pair<std::string, Frame>> variables = {};
};

// What a statement gave.
struct Outcome {
  std::string command;        // SELECT, EXPLAIN, DESCRIBE, SUMMARIZE, SHOW, CREATE TABLE, INSERT, COPY, SET, ...
  std::optional<Frame> rows;  // a query's are computed when they are asked for
  int64_t changed = -1;       // rows inserted, removed, copied or put into a new table; -1: it is no such statement
};

class Session {
 public:
  Session();

  // Every statement of the text, one after the other: their outcomes go to `each`, whose error stops. A query is run by whoever wants
  // its rows.
  arrow::Status run(const std::string& text, const std::function<arrow::Status(Outcome)>& each, const SqlInput& input = {},
                    Cancellation cancel = {});
  // The same for one that wants the last outcome; queries before it are run and their rows dropped.
  arrow::Result<Outcome> execute(const std::string& text, const SqlInput& input = {}, Cancellation cancel = {});
  // One query, lazily; statements that change the session are an error.
  Frame sql(const std::string& text, const SqlInput& input = {});

  // One query over streams and tables, as a stream: gristmill/stream_sql.h.
  Stream stream(const std::string& text, const SqlInput& input = {});

  // A frame by a name that queries may use, until it is dropped; a stream, for those of stream().
  arrow::Status set_table(const std::string& name, Frame frame);
  arrow::Status set_table(const std::string& name, const Stream& stream);
  // Tables and views, with their columns.
  struct Relation {
    std::string name;
    bool view = false;
    std::shared_ptr<arrow::Schema> schema;
  };
  arrow::Result<std::vector<Relation>> relations() const;

  // What SET has changed; runs of statements and of what they give use it.
  const ParallelOptions& options() const;
  void set_options(ParallelOptions options);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace gristmill
