// PostgreSQL's grammar: text to its parse tree. Errors carry the place in the user's text, with a caret.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <pg_query/pg_query.pb-c.h>

namespace gristmill::sqltext {

// The tree and the text it came from; nodes point into it.
class ParsedText {
 public:
  static arrow::Result<ParsedText> parse(const std::string& text);

  // The one statement of the text.
  const PgQuery__Node& statement() const { return *tree_->stmts[0]->stmt; }
  // The table an identifier of the tree stands for: files in quotes have become numbers.
  std::string table_name(const std::string& identifier) const;
  // A plan error that shows the line of `location` (bytes from 0, -1 = unknown) with a caret under it.
  arrow::Status error(const std::string& message, int location) const;
  // Another number each time, for names that lowering makes.
  int next_number() const { return numbers_++; }

 private:
  struct FreeTree {
    void operator()(PgQuery__ParseResult* t) const { pg_query__parse_result__free_unpacked(t, nullptr); }
  };
  std::string text_;
  std::vector<std::string> files_;
  mutable int numbers_ = 0;
  std::unique_ptr<PgQuery__ParseResult, FreeTree> tree_;
};

}  // namespace gristmill::sqltext
