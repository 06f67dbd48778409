// The parser recurses, so it runs on a thread with a big stack: a long chain of operators is an answer or an
// error, never a crash.
//
// What PostgreSQL's grammar refuses but users write is rewritten by a pass over the tokens (rewrite_tokens.h), which keep their places.

#include "sql/parse.h"

#include <pg_query.h>

#include <algorithm>

#include <arrow/scalar.h>

#include "base/status.h"
#include "sql/parser_thread.h"

namespace gristmill::sqltext {
namespace {

constexpr size_t kLongestText = size_t{4} << 20;

arrow::Status check_text(const std::string& text) {
  if (text.size() > kLongestText) return base::plan_error("the SQL text is longer than 4 MiB");
  if (text.find('\0') != std::string::npos) return base::plan_error("the SQL text contains a zero byte");
  return arrow::Status::OK();
}

std::vector<Tokens> split_statements(const std::string& text) {
  std::vector<Tokens> out(1);
  for (Token& t : split_tokens(text)) {
    if (is_mark(t, ";")) {
      if (!out.back().empty()) out.emplace_back();
    } else {
      out.back().push_back(std::move(t));
    }
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

bool begins_with(const Tokens& t, std::initializer_list<std::string_view> words) {
  size_t i = 0;
  for (const std::string_view w : words) {
    if (i >= t.size() || !is_word(t[i++], w)) return false;
  }
  return true;
}

void drop_first(Tokens& t, size_t n) { t.erase(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(n)); }

bool begins_query(const Tokens& t) {
  for (const char* w : {"select", "from", "with", "values", "table"}) {
    if (begins_with(t, {w})) return true;
  }
  return !t.empty() && is_mark(t[0], "(");
}

// PIVOT and UNPIVOT, as statements and as clauses behind a table: ... pivot (sum(v) for k in ('a', 'b')).
arrow::Status refuse_pivot(const std::string& text, const Tokens& t) {
  for (size_t i = 0; i + 1 < t.size(); ++i) {
    const bool unpivot = is_word(t[i], "unpivot");
    if (!unpivot && !is_word(t[i], "pivot")) continue;
    const size_t end = is_mark(t[i + 1], "(") ? closing(t, i + 1) : i;
    const bool clause = i > 0 && std::any_of(t.begin() + static_cast<std::ptrdiff_t>(i), t.begin() + static_cast<std::ptrdiff_t>(end),
                                             [](const Token& one) { return is_word(one, "for"); });
    if (i > 0 && !clause) continue;
    return ParsedText::error_in(
        text,
        unpivot ? "UNPIVOT is not part of this SQL; a frame does it: gm.sql(\"...\").unpivot([\"a\", \"b\"], index=\"id\")"
                : "PIVOT is not part of this SQL; a frame does it: gm.sql(\"...\").pivot(\"k\", index=\"id\", values=\"v\", "
                  "aggregate=\"sum\"), or "
                  "a column each: sum(v) filter (where k = 'a') as a",
        t[i].place);
  }
  return arrow::Status::OK();
}

}  // namespace

// describe, summarize and show tables; `or replace` of a table.
void ParsedText::take_verb(Tokens& t) {
  const size_t place = t[0].place;
  if (begins_with(t, {"create", "or", "replace"}) && t.size() > 3) {
    size_t at = 3;
    while (at < t.size() && (is_word(t[at], "temp") || is_word(t[at], "temporary") || is_word(t[at], "local"))) ++at;
    if (at < t.size() && is_word(t[at], "table")) {
      or_replace_ = true;
      t.erase(t.begin() + 1, t.begin() + 3);
    }
    return;
  }
  if ((begins_with(t, {"show", "tables"}) && t.size() == 2) || (begins_with(t, {"show", "all", "tables"}) && t.size() == 3) ||
      ((begins_with(t, {"describe"}) || begins_with(t, {"desc"})) && t.size() == 1)) {
    verb_ = Verb::kShowTables;
    t.clear();
    return;
  }
  if (begins_with(t, {"describe"}) || begins_with(t, {"desc"})) {
    verb_ = Verb::kDescribe;
    drop_first(t, 1);
  } else if (begins_with(t, {"show", "columns", "from"}) && t.size() > 3) {
    verb_ = Verb::kDescribe;
    drop_first(t, 3);
  } else if (begins_with(t, {"summarize"}) && t.size() > 1) {
    verb_ = Verb::kSummarize;
    drop_first(t, 1);
  } else {
    return;
  }
  if (verb_ == Verb::kDescribe && begins_with(t, {"table"}) && t.size() > 1) drop_first(t, 1);
  if (!begins_query(t)) t.insert(t.begin(), {made(TokenKind::kWord, "from", place)});
}

arrow::Status ParsedText::run_grammar() {
  std::string message;
  int cursor = -1;
  ARROW_RETURN_NOT_OK(on_parser_thread([&] {
    PgQueryProtobufParseResult r = pg_query_parse_protobuf(joined_.text.c_str());
    if (r.error) {
      message = r.error->message;
      cursor = r.error->cursorpos - 1;
    } else {
      tree_.reset(pg_query__parse_result__unpack(nullptr, r.parse_tree.len, reinterpret_cast<const uint8_t*>(r.parse_tree.data)));
      if (!tree_) message = "the SQL text nests too deeply";
    }
    pg_query_free_protobuf_parse_result(r);
  }));
  if (!message.empty()) return error(message, cursor);
  return tree_->n_stmts == 1 ? arrow::Status::OK() : base::internal_error("the grammar found another number of statements");
}

arrow::Result<ParsedText> ParsedText::parse_one(std::shared_ptr<const std::string> text, Tokens tokens) {
  ParsedText out;
  const size_t begin = tokens.front().place, end = tokens.back().place + tokens.back().text.size();
  out.source_ = text->substr(begin, end - begin);
  out.text_ = std::move(text);
  out.take_verb(tokens);
  if (out.verb_ == Verb::kShowTables) return out;
  ARROW_RETURN_NOT_OK(refuse_pivot(*out.text_, tokens));
  out.rewritten_.tokens = std::move(tokens);
  if (const RewriteError e = rewrite_tokens(out.rewritten_); !e.message.empty()) return error_in(*out.text_, e.message, e.place);
  out.joined_ = joined(out.rewritten_.tokens);
  out.rewritten_.tokens.clear();
  ARROW_RETURN_NOT_OK(out.run_grammar());
  return out;
}

arrow::Result<ParsedText> ParsedText::parse(const std::string& text) {
  ARROW_RETURN_NOT_OK(check_text(text));
  std::vector<Tokens> statements = split_statements(text);
  if (statements.empty()) return base::plan_error("the SQL text holds no statement");
  if (statements.size() > 1) return error_in(text, "only one statement at a time", statements[1].front().place);
  return parse_one(std::make_shared<const std::string>(text), std::move(statements[0]));
}

arrow::Result<std::vector<ParsedText>> ParsedText::parse_all(const std::string& text) {
  ARROW_RETURN_NOT_OK(check_text(text));
  const auto shared = std::make_shared<const std::string>(text);
  std::vector<ParsedText> out;
  for (Tokens& t : split_statements(text)) {
    ARROW_ASSIGN_OR_RAISE(ParsedText one, parse_one(shared, std::move(t)));
    out.push_back(std::move(one));
  }
  if (out.empty()) return base::plan_error("the SQL text holds no statement");
  return out;
}

std::string ParsedText::table_name(const std::string& identifier) const {
  const std::string marker = kFileMarker;
  if (!identifier.starts_with(marker)) return identifier;
  const size_t i = std::stoul(identifier.substr(marker.size()));
  return i < rewritten_.files.size() ? rewritten_.files[i] : identifier;
}

const StarEdit* ParsedText::star(int64_t number) const {
  return number >= 0 && number < std::ssize(rewritten_.stars) ? &rewritten_.stars[static_cast<size_t>(number)] : nullptr;
}

arrow::Result<std::shared_ptr<arrow::Scalar>> ParsedText::parameter(const PgQuery__ParamRef& p) const {
  const size_t n = static_cast<size_t>(p.number);
  if (p.number < 1) return error("parameters are numbered from 1", p.location);
  if (n <= values_.size() && values_[n - 1]) return values_[n - 1];
  const std::string name = n <= parameters().size() ? parameters()[n - 1] : "";
  return error("no value was given for parameter " + (name.empty() ? std::to_string(n) : ":" + name), p.location);
}

arrow::Status ParsedText::error(const std::string& message, int location) const {
  if (location < 0 || static_cast<size_t>(location) > joined_.text.size()) return base::plan_error(message);
  return error_in(*text_, message, joined_.place_of(static_cast<size_t>(location)));
}

arrow::Status ParsedText::error_in(const std::string& text, const std::string& message, size_t at) {
  if (at > text.size()) return base::plan_error(message);
  size_t begin = text.rfind('\n', at == 0 ? 0 : at - 1);
  begin = begin == std::string::npos || at == 0 ? 0 : begin + 1;
  size_t end = text.find('\n', at);
  if (end == std::string::npos) end = text.size();
  size_t line = 1;
  for (size_t i = 0; i < begin; ++i) line += text[i] == '\n';
  size_t column = 0;  // code points before the caret
  for (size_t i = begin; i < at; ++i) column += (text[i] & 0xc0) != 0x80;
  const std::string where = "line " + std::to_string(line) + ": ";
  return base::plan_error(message + "\n" + where + text.substr(begin, end - begin) + "\n" + std::string(where.size() + column, ' ') + "^");
}

}  // namespace gristmill::sqltext
