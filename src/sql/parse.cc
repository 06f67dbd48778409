// The parser recurses, so it runs on a thread with a big stack: a long chain of operators is an answer or an
// error, never a crash.
//
// What PostgreSQL's grammar refuses but users write is rewritten by a pass over the tokens that keeps every position:
// from 'file.parquet' becomes from "$0" and blanks (a number, since the grammar cuts identifiers at 63 bytes).

#include "sql/parse.h"

#include <pg_query.h>
#include <pthread.h>

#include <cctype>
#include <functional>

#include "base/status.h"

namespace gristmill::sqltext {
namespace {

constexpr size_t kStackBytes = size_t{256} << 20;  // of address space; pages are touched as needed
constexpr size_t kLongestText = size_t{4} << 20;

void* call(void* f) {
  (*static_cast<std::function<void()>*>(f))();
  return nullptr;
}

arrow::Status on_big_stack(std::function<void()> work) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  const int failed = pthread_create(&thread, &attributes, call, &work);
  pthread_attr_destroy(&attributes);
  if (failed != 0) return base::internal_error("cannot start a thread to parse SQL");
  pthread_join(thread, nullptr);
  return arrow::Status::OK();
}

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || (c & 0x80); }

bool same_word(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != lower[i]) return false;
  }
  return true;
}

// Where the string literal or quoted identifier that starts at `i` ends (one past its closing quote).
size_t quoted_end(const std::string& s, size_t i) {
  const char quote = s[i++];
  while (i < s.size()) {
    if (s[i] == quote) {
      if (i + 1 < s.size() && s[i + 1] == quote)
        ++i;
      else
        return i + 1;
    }
    ++i;
  }
  return s.size();
}

// Files as tables: the literal after from, join, or a comma within from, becomes an identifier.
std::string number_files(std::string s, std::vector<std::string>& files) {
  // Per level of parentheses: only a from that belongs to a select names tables, not the one of extract(), substring() or
  // IS DISTINCT FROM.
  struct Level {
    bool select = false, from = false;
  };
  std::vector<Level> levels(1);
  std::string_view previous;
  bool expects_table = false;
  for (size_t i = 0; i < s.size();) {
    const char c = s[i];
    if (c == '-' && i + 1 < s.size() && s[i + 1] == '-') {
      while (i < s.size() && s[i] != '\n') ++i;
    } else if (std::isspace(static_cast<unsigned char>(c))) {
      ++i;
    } else if (c == '\'' || c == '"') {
      const size_t end = quoted_end(s, i);
      const std::string placeholder = "\"$" + std::to_string(files.size()) + "\"";
      if (c == '\'' && expects_table && end - i >= placeholder.size()) {
        std::string name = s.substr(i + 1, end - i - 2);
        for (size_t at = 0; (at = name.find("''", at)) != std::string::npos; ++at) name.erase(at, 1);
        files.push_back(std::move(name));
        s.replace(i, end - i, placeholder + std::string(end - i - placeholder.size(), ' '));
      }
      expects_table = false;
      i = end;
    } else if (word_char(c)) {
      size_t end = i;
      while (end < s.size() && word_char(s[end])) ++end;
      const std::string_view word(s.data() + i, end - i);
      Level& level = levels.back();
      if (same_word(word, "select")) level.select = true;
      const bool from = same_word(word, "from") && level.select && !same_word(previous, "distinct");
      expects_table = from || same_word(word, "join");
      if (from) level.from = true;
      for (const char* stop : {"where", "group", "order", "having", "limit", "on", "using", "select"}) {
        if (same_word(word, stop)) level.from = false;
      }
      previous = std::string_view(s).substr(i, end - i);
      i = end;
    } else {
      if (c == '(') levels.emplace_back();
      if (c == ')' && levels.size() > 1) levels.pop_back();
      expects_table = c == ',' && levels.back().from;
      ++i;
    }
  }
  return s;
}

}  // namespace

arrow::Result<ParsedText> ParsedText::parse(const std::string& text) {
  if (text.size() > kLongestText) return base::plan_error("the SQL text is longer than 4 MiB");
  if (text.find('\0') != std::string::npos) return base::plan_error("the SQL text contains a zero byte");
  ParsedText out;
  out.text_ = text;
  const std::string rewritten = number_files(text, out.files_);
  std::string message;
  int cursor = -1;
  ARROW_RETURN_NOT_OK(on_big_stack([&] {
    PgQueryProtobufParseResult r = pg_query_parse_protobuf(rewritten.c_str());
    if (r.error) {
      message = r.error->message;
      cursor = r.error->cursorpos - 1;
    } else {
      out.tree_.reset(pg_query__parse_result__unpack(nullptr, r.parse_tree.len, reinterpret_cast<const uint8_t*>(r.parse_tree.data)));
      if (!out.tree_) message = "the SQL text nests too deeply";
    }
    pg_query_free_protobuf_parse_result(r);
  }));
  if (!message.empty()) return out.error(message, cursor);
  if (out.tree_->n_stmts == 0) return base::plan_error("the SQL text holds no statement");
  if (out.tree_->n_stmts > 1) return out.error("only one statement at a time", out.tree_->stmts[1]->stmt_location);
  return out;
}

std::string ParsedText::table_name(const std::string& identifier) const {
  if (identifier.size() < 2 || identifier[0] != '$' || identifier.find_first_not_of("0123456789", 1) != std::string::npos)
    return identifier;
  const size_t i = std::stoul(identifier.substr(1));
  return i < files_.size() ? files_[i] : identifier;
}

arrow::Status ParsedText::error(const std::string& message, int location) const {
  if (location < 0 || static_cast<size_t>(location) > text_.size()) return base::plan_error(message);
  const size_t at = static_cast<size_t>(location);
  size_t begin = text_.rfind('\n', at == 0 ? 0 : at - 1);
  begin = begin == std::string::npos || at == 0 ? 0 : begin + 1;
  size_t end = text_.find('\n', at);
  if (end == std::string::npos) end = text_.size();
  size_t line = 1;
  for (size_t i = 0; i < begin; ++i) line += text_[i] == '\n';
  size_t column = 0;  // code points before the caret
  for (size_t i = begin; i < at; ++i) column += (text_[i] & 0xc0) != 0x80;
  const std::string where = "line " + std::to_string(line) + ": ";
  return base::plan_error(message + "\n" + where + text_.substr(begin, end - begin) + "\n" + std::string(where.size() + column, ' ') + "^");
}

}  // namespace gristmill::sqltext
