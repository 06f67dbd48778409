// PostgreSQL's grammar: text to its parse tree. Errors carry the place in the user's text, with a caret.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>
#include <pg_query/pg_query.pb-c.h>

#include "sql/rewrite_tokens.h"
#include "sql/tokens.h"

namespace gristmill::sqltext {

// Statements that PostgreSQL's grammar has not; what follows their first word is a query.
enum class Verb : uint8_t { kPlain, kDescribe, kSummarize, kShowTables };

// The tree of one statement and the text it came from; nodes point into it.
class ParsedText {
 public:
  // Texts of one statement, and of any number (separated by semicolons).
  static arrow::Result<ParsedText> parse(const std::string& text);
  static arrow::Result<std::vector<ParsedText>> parse_all(const std::string& text);

  Verb verb() const { return verb_; }
  const PgQuery__Node& statement() const { return *tree_->stmts[0]->stmt; }  // not of kShowTables
  bool or_replace() const { return or_replace_; }                            // create or replace table
  const std::string& source() const { return source_; }                      // the statement as written
  // The table an identifier of the tree stands for: files in quotes have become numbers.
  std::string table_name(const std::string& identifier) const;
  const StarEdit* star(int64_t number) const;
  // What can be given for $1, $2, ...: their names, empty for those by position.
  const std::vector<std::string>& parameters() const { return rewritten_.parameters; }
  void set_parameters(std::vector<std::shared_ptr<arrow::Scalar>> values) { values_ = std::move(values); }
  arrow::Result<std::shared_ptr<arrow::Scalar>> parameter(const PgQuery__ParamRef& p) const;

  // A plan error that shows the line of `location` (of a node of the tree, -1 = unknown) with a caret under it.
  arrow::Status error(const std::string& message, int location) const;
  // The same at a byte of the user's text.
  static arrow::Status error_in(const std::string& text, const std::string& message, size_t place);
  // The moment that now() is in this statement and in the views that it reads: microseconds since 1970 in UTC.
  void set_now(int64_t micros) { now_ = micros; }
  int64_t now() const { return now_; }
  // Another number each time, for names that lowering makes.
  int next_number() const { return numbers_++; }

 private:
  struct FreeTree {
    void operator()(PgQuery__ParseResult* t) const { pg_query__parse_result__free_unpacked(t, nullptr); }
  };
  static arrow::Result<ParsedText> parse_one(std::shared_ptr<const std::string> text, Tokens tokens);
  void take_verb(Tokens& tokens);
  arrow::Status run_grammar();

  std::shared_ptr<const std::string> text_;
  std::string source_;
  Verb verb_ = Verb::kPlain;
  bool or_replace_ = false;
  Rewritten rewritten_;
  JoinedText joined_;
  std::vector<std::shared_ptr<arrow::Scalar>> values_;
  mutable int numbers_ = 0;
  int64_t now_ = 0;
  std::unique_ptr<PgQuery__ParseResult, FreeTree> tree_;
};

}  // namespace gristmill::sqltext
