// What a session remembers: tables, views, prepared statements, settings.
//
// Tables are parts that never change; inserting adds a part, and small parts are put together, so that a row is copied a number of times
// that grows with the logarithm of the table.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gristmill/session.h"
#include "sql/parse.h"
#include "sql/query.h"

namespace gristmill::sqltext {

class StoredTable {
 public:
  // Columns nullable, of border types.
  static arrow::Result<StoredTable> make(std::shared_ptr<arrow::Schema> schema);
  static StoredTable of(Frame frame);  // somebody else's data: nothing can be inserted

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  bool fixed() const { return fixed_; }
  const Frame& frame() const { return frame_; }
  int64_t rows() const;  // -1: not known
  // Rows of this very schema.
  arrow::Status append(Table rows, const ParallelOptions& options, const Cancellation& cancel);

 private:
  explicit StoredTable(Frame frame) : frame_(std::move(frame)) {}
  arrow::Status refresh();
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<Table> parts_;
  Frame frame_;
  bool fixed_ = false;
};

struct View {
  std::shared_ptr<ParsedText> text;
  const PgQuery__SelectStmt* select = nullptr;
  std::vector<std::string> names;  // of its first columns; the others as in the query
};

struct Prepared {
  std::shared_ptr<ParsedText> text;
  const PgQuery__Node* statement = nullptr;
  std::vector<std::shared_ptr<arrow::DataType>> types;  // as declared; may be fewer than there are parameters
};

struct Catalog {
  std::map<std::string, StoredTable> tables;
  std::map<std::string, View> views;
  std::map<std::string, Prepared> prepared;
  ParallelOptions options;
  int64_t now = 0;  // of the statement that is being run

  // semantics.md 8: exact, then the one that differs in case only; null for none.
  StoredTable* find_table(const std::string& name);
  const View* find_view(const std::string& name) const;
  std::vector<std::string> names() const;
};

// Tables as a statement of this session finds them.
TableLookup lookup_in(Catalog& catalog, const SqlInput& input);

}  // namespace gristmill::sqltext
