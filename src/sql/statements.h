// Statements of a session.
#pragma once

#include <memory>

#include "gristmill/stream.h"
#include "sql/catalog.h"

namespace gristmill::sqltext {

// One statement at work: what it is run with.
struct Work {
  Catalog& catalog;
  const SqlInput& input;
  Cancellation cancel;
  bool may_change = true;  // false: whoever asked wants rows, lazily
};

// Runs one statement; a query's rows are not computed.
arrow::Result<Outcome> run_statement(const std::shared_ptr<ParsedText>& text, Work& work);

// The rows of a query as a stream; its tables may be streams.
arrow::Result<Stream> stream_of_query(ParsedText& text, Work& work);

// Parts of it, one kind of statement a file.
arrow::Result<Frame> frame_of_select(const PgQuery__SelectStmt& select, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_create_table_as(const PgQuery__CreateTableAsStmt& s, const std::shared_ptr<ParsedText>& text, Work& work);
arrow::Result<Outcome> run_create_table(const PgQuery__CreateStmt& s, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_create_view(const PgQuery__ViewStmt& s, const std::shared_ptr<ParsedText>& text, Work& work);
arrow::Result<Outcome> run_drop(const PgQuery__DropStmt& s, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_insert(const PgQuery__InsertStmt& s, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_truncate(const PgQuery__TruncateStmt& s, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_copy(const PgQuery__CopyStmt& s, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_explain(const PgQuery__ExplainStmt& s, const std::shared_ptr<ParsedText>& text, Work& work);
arrow::Result<Outcome> run_set(const PgQuery__VariableSetStmt& s, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_show(const PgQuery__VariableShowStmt& s, Work& work);
arrow::Result<Outcome> run_prepare(const PgQuery__PrepareStmt& s, const std::shared_ptr<ParsedText>& text, Work& work);
arrow::Result<Outcome> run_execute(const PgQuery__ExecuteStmt& s, const ParsedText& text, Work& work);
arrow::Result<Outcome> run_deallocate(const PgQuery__DeallocateStmt& s, Work& work);
arrow::Result<Outcome> run_node(const PgQuery__Node& statement, const std::shared_ptr<ParsedText>& text, Work& work);

Outcome describe(const Frame& frame);
arrow::Result<Outcome> summarize(const Frame& frame, Work& work);
arrow::Result<Outcome> show_tables(Work& work);
// A frame over columns of text, lists of equal lengths.
Frame text_table(const std::vector<std::string>& names, const std::vector<std::vector<std::string>>& columns);

// Rows into a table that is there; types are cast to the table's, columns by position, or as named.
arrow::Result<int64_t> insert_rows(StoredTable& table, const Frame& rows, Work& work);
arrow::Result<StoredTable*> stored_table(const PgQuery__RangeVar& name, const ParsedText& text, Work& work);

}  // namespace gristmill::sqltext
