// The passes over one statement's tokens, in an order in which each finds what the one before left. Those that move clauses are in
// rewrite_clauses.cc.

#include "sql/rewrite_tokens.h"

#include <algorithm>
#include <cctype>

#include "sql/rewrite_clauses.h"

namespace gristmill::sqltext {
namespace {

// ?, :name and $name become numbers by their first appearance; numbers stay.
class ParameterNumbers {
 public:
  explicit ParameterNumbers(Rewritten& s) : s_(s) {}

  RewriteError run() {
    Tokens out;
    int brackets = 0;
    for (size_t i = 0; i < s_.tokens.size(); ++i) {
      Token t = s_.tokens[i];
      if (is_mark(t, "[") || is_mark(t, "{")) ++brackets;
      if (is_mark(t, "]") || is_mark(t, "}")) --brackets;
      if (t.kind == TokenKind::kParameter) {
        t.text = "$" + std::to_string(number(t.text));
      } else if (is_mark(t, ":") && brackets == 0 && i + 1 < s_.tokens.size() && s_.tokens[i + 1].kind == TokenKind::kWord &&
                 s_.tokens[i + 1].gap.empty()) {
        t.kind = TokenKind::kParameter;
        t.text = "$" + std::to_string(number(":" + s_.tokens[++i].text));
      }
      if (mixed_) return {"parameters are either numbered ($1), anonymous (?) or named (:name), not both", t.place};
      out.push_back(std::move(t));
    }
    s_.tokens = std::move(out);
    return {};
  }

 private:
  size_t number(const std::string& written) {
    const bool anonymous = written == "?", numbered = written.size() > 1 && std::isdigit(static_cast<unsigned char>(written[1]));
    const int style = anonymous ? 1 : numbered ? 2 : 3;
    mixed_ = mixed_ || (style_ != 0 && style_ != style);
    style_ = style;
    if (numbered) {
      const size_t n = written.size() > 6 ? 0 : std::stoul(written.substr(1));
      if (s_.parameters.size() < n) s_.parameters.resize(n);
      return n;
    }
    if (anonymous) {
      s_.parameters.emplace_back();
      return s_.parameters.size();
    }
    const std::string name = written.substr(1);
    const auto known = std::find(s_.parameters.begin(), s_.parameters.end(), name);
    if (known != s_.parameters.end()) return static_cast<size_t>(known - s_.parameters.begin()) + 1;
    s_.parameters.push_back(name);
    return s_.parameters.size();
  }

  Rewritten& s_;
  int style_ = 0;
  bool mixed_ = false;
};

// [1, 2] where no value stands before it.
Tokens mark_lists(Tokens in) {
  Tokens out;
  for (Token& t : in) {
    if (is_mark(t, "[")) {
      const Token* before = out.empty() ? nullptr : &out.back();
      const bool after_keyword =
          before && one_of(word_of(*before),
                           {"select", "in",     "where",    "and", "or",      "not",  "then", "else", "when",      "by",    "on",  "having",
                            "case",   "values", "distinct", "all", "between", "like", "is",   "from", "returning", "using", "any", "some"});
      const bool value = before && !after_keyword &&
                         (before->kind == TokenKind::kWord || before->kind == TokenKind::kQuotedName ||
                          before->kind == TokenKind::kParameter || before->kind == TokenKind::kText || closes(*before));
      if (!value) {
        Token word = made(TokenKind::kWord, "array", t.place);
        word.gap = t.gap.empty() ? " " : t.gap;
        t.gap.clear();
        out.push_back(std::move(word));
      }
    }
    out.push_back(std::move(t));
  }
  return out;
}

// Files as tables: the literal after from, join, or a comma within from, becomes a name.
void number_files(Rewritten& s) {
  // Per level of parentheses: only a from that belongs to a select names tables, not the one of extract(), substring() or
  // IS DISTINCT FROM.
  struct Level {
    bool select = false, from = false;
  };
  std::vector<Level> levels(1);
  std::string previous;
  bool expects_table = false;
  for (Token& t : s.tokens) {
    if (t.kind == TokenKind::kText || t.kind == TokenKind::kQuotedName) {
      if (expects_table && t.kind == TokenKind::kText && t.text[0] == '\'') {
        const std::string name = kFileMarker + std::to_string(s.files.size());
        s.files.push_back(text_of(t));
        t.kind = TokenKind::kQuotedName;
        t.text = quoted_name(name);
      }
      expects_table = false;
    } else if (t.kind == TokenKind::kWord) {
      const std::string word = word_of(t);
      Level& level = levels.back();
      if (word == "select") level.select = true;
      const bool from = word == "from" && level.select && previous != "distinct";
      expects_table = from || word == "join";
      if (from) level.from = true;
      if (one_of(word, {"where", "group", "order", "having", "limit", "on", "using", "select"})) level.from = false;
      previous = word;
    } else {
      if (is_mark(t, "(")) levels.emplace_back();
      if (is_mark(t, ")") && levels.size() > 1) levels.pop_back();
      expects_table = is_mark(t, ",") && levels.back().from;
    }
  }
}

// group by all, order by all [desc] [nulls first].
void mark_all(Tokens& tokens) {
  for (size_t i = 2; i < tokens.size(); ++i) {
    if (!is_word(tokens[i], "all") || !is_word(tokens[i - 1], "by")) continue;
    const bool group = is_word(tokens[i - 2], "group"), order = is_word(tokens[i - 2], "order");
    const bool alone = i + 1 >= tokens.size() || closes(tokens[i + 1]) ||
                       one_of(word_of(tokens[i + 1]), {"having", "order", "limit", "offset", "fetch", "union", "intersect", "except",
                                                       "window", "qualify", "asc", "desc", "nulls", "for"});
    if (!alone || (!group && !order)) continue;
    tokens[i].kind = TokenKind::kQuotedName;
    tokens[i].text = quoted_name(kAllMarker);
  }
}

void drop_trailing_commas(Tokens& tokens) {
  Tokens out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool last = i + 1 >= tokens.size();
    const bool trailing = is_mark(tokens[i], ",") && !out.empty() && !opens(out.back()) &&
                          (last || closes(tokens[i + 1]) ||
                           one_of(word_of(tokens[i + 1]), {"from", "where", "group", "having", "order", "limit", "offset", "fetch", "union",
                                                           "intersect", "except", "window"}));
    if (!trailing) {
      out.push_back(tokens[i]);
    } else if (!last && tokens[i + 1].gap.empty()) {
      tokens[i + 1].gap = " ";
    }
  }
  tokens = std::move(out);
}

}  // namespace

RewriteError rewrite_tokens(Rewritten& s) {
  if (RewriteError e = ParameterNumbers(s).run(); !e.message.empty()) return e;
  drop_trailing_commas(s.tokens);
  put_select_first(s.tokens);
  s.tokens = mark_lists(std::move(s.tokens));
  if (RewriteError e = mark_stars(s); !e.message.empty()) return e;
  mark_all(s.tokens);
  mark_ignore_nulls(s.tokens);
  quote_intervals(s.tokens);
  mark_try_casts(s.tokens);
  drop_table_words(s.tokens);
  move_qualify(s.tokens);
  number_files(s);
  return {};
}

}  // namespace gristmill::sqltext
