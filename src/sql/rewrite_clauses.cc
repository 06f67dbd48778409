// Clauses are found by their words at one depth of brackets. A word that begins no clause there (within group, is distinct from)
// is told by the word before it.

#include "sql/rewrite_clauses.h"

#include <algorithm>

namespace gristmill::sqltext {
namespace {

bool set_word(std::string_view w) { return one_of(w, {"union", "intersect", "except"}); }

bool ends_clause(const Tokens& t, size_t i) {
  const std::string w = word_of(t[i]);
  if (w == "group" && i > 0 && is_word(t[i - 1], "within")) return false;
  return set_word(w) || one_of(w, {"where", "group", "having", "window", "qualify", "order", "limit", "offset", "fetch", "for"});
}

// The first place from `i` on, at its depth, where `found` holds or the brackets around it close.
template <typename F>
size_t scan(const Tokens& t, size_t i, F&& found) {
  while (i < t.size()) {
    if (closes(t[i]) || is_mark(t[i], ";") || found(i)) return i;
    i = is_mark(t[i], "(") || is_mark(t[i], "[") || is_mark(t[i], "{") ? closing(t, i) : i + 1;
  }
  return i;
}

struct Level {
  bool select = false, with = false;
  bool insert = false;  // insert into t (a, b) from ...
  std::string opener;   // the word before its bracket
};

// Whether the from at `i` begins a query.
bool begins_query(const Tokens& t, size_t i, const Level& level) {
  if (i == 0) return true;
  const Token& before = t[i - 1];
  const std::string word = word_of(before);
  if (is_mark(before, "("))
    return !one_of(level.opener, {"trim", "extract", "substring", "overlay", "position", "btrim", "ltrim", "rtrim"});
  if (is_mark(before, ")")) return level.with || level.insert;
  if (set_word(word) || one_of(word, {"as", "explain", "analyze", "verbose"})) return true;
  if (one_of(word, {"all", "distinct"})) return i > 1 && set_word(word_of(t[i - 2]));
  return level.insert && before.kind == TokenKind::kWord;
}

void select_at(Tokens& t, size_t from) {
  const size_t select = scan(t, from + 1, [&](size_t i) { return is_word(t[i], "select") || set_word(word_of(t[i])); });
  if (select < t.size() && is_word(t[select], "select")) {
    const size_t end = scan(t, select + 1, [&](size_t i) { return ends_clause(t, i); });
    if (t[from].gap.empty()) t[from].gap = " ";
    if (t[select].gap.empty()) t[select].gap = " ";
    std::rotate(t.begin() + static_cast<std::ptrdiff_t>(from), t.begin() + static_cast<std::ptrdiff_t>(select),
                t.begin() + static_cast<std::ptrdiff_t>(end));
    return;
  }
  const size_t place = t[from].place;
  if (t[from].gap.empty()) t[from].gap = " ";
  const Token words[] = {made(TokenKind::kWord, "select", place), made(TokenKind::kOperator, "*", place)};
  t.insert(t.begin() + static_cast<std::ptrdiff_t>(from), std::begin(words), std::end(words));
}

}  // namespace

void put_select_first(Tokens& t) {
  std::vector<Level> levels(1);
  for (size_t i = 0; i < t.size(); ++i) {
    if (is_mark(t[i], "(")) {
      Level inner;
      if (i > 0) inner.opener = word_of(t[i - 1]);
      levels.push_back(std::move(inner));
      continue;
    }
    if (is_mark(t[i], ")")) {
      if (levels.size() > 1) levels.pop_back();
      continue;
    }
    Level& level = levels.back();
    const std::string word = word_of(t[i]);
    if (word == "from" && !level.select && begins_query(t, i, level)) select_at(t, i);
    if (one_of(word_of(t[i]), {"select", "values"})) level.select = true;
    if (set_word(word)) level.select = false;
    if (word == "with") level.with = true;
    if (word == "insert" && i == 0) level.insert = true;
  }
}

namespace {

// Parts of a list in brackets, at its depth.
std::vector<Tokens> split_list(const Tokens& t, size_t begin, size_t end) {
  std::vector<Tokens> parts(1);
  for (size_t i = begin; i < end;) {
    if (is_mark(t[i], ",")) {
      parts.emplace_back();
      ++i;
      continue;
    }
    const size_t next = is_mark(t[i], "(") || is_mark(t[i], "[") || is_mark(t[i], "{") ? std::min(closing(t, i), end) : i + 1;
    for (; i < next; ++i) parts.back().push_back(t[i]);
  }
  return parts;
}

class StarPass {
 public:
  explicit StarPass(Rewritten& s) : s_(s), t_(s.tokens) {}

  RewriteError run() {
    for (size_t i = 0; i < t_.size(); ++i) {
      if (!is_mark(t_[i], "*") || i + 1 >= t_.size() || !modifier(i + 1) || !stands_alone()) {
        out_.push_back(t_[i]);
        continue;
      }
      edit_ = {};
      replacements_.clear();
      const size_t place = t_[i].place;
      std::string gap = t_[i].gap;
      if (!out_.empty() && is_mark(out_.back(), ".")) {  // t.*
        out_.pop_back();
        edit_.table = name_of(out_.back());
        gap = out_.back().gap;
        out_.pop_back();
      }
      size_t next = i + 1;
      while (next < t_.size() && modifier(next)) {
        if (RewriteError e = take(next); !e.message.empty()) return e;
      }
      emit(place, gap);
      i = next - 1;
    }
    s_.tokens = std::move(out_);
    return {};
  }

 private:
  bool modifier(size_t i) const {
    if (!one_of(word_of(t_[i]), {"exclude", "replace", "rename"}) || i + 1 >= t_.size()) return false;
    if (is_mark(t_[i + 1], "(")) return true;
    return !is_word(t_[i], "replace") && !name_of(t_[i + 1]).empty() && !is_word(t_[i + 1], "from");
  }

  // Not a product.
  bool stands_alone() const {
    if (out_.empty()) return false;
    const Token& b = out_.back();
    return is_mark(b, ",") || is_mark(b, ".") || is_mark(b, ")") || one_of(word_of(b), {"select", "distinct", "all"});
  }

  RewriteError take(size_t& i) {
    const std::string what = word_of(t_[i]);
    const size_t place = t_[i].place;
    std::vector<Tokens> parts;
    if (is_mark(t_[i + 1], "(")) {
      const size_t end = closing(t_, i + 1);
      parts = split_list(t_, i + 2, end - 1);
      i = end;
    } else {
      const size_t words = what == "rename" ? 3 : 1;
      const size_t end = std::min(i + 1 + words, t_.size());
      parts = split_list(t_, i + 1, end);
      i = end;
    }
    for (const Tokens& p : parts) {
      const std::string last = p.empty() ? "" : name_of(p.back());
      const bool renamed = p.size() >= 3 && is_word(p[p.size() - 2], "as");
      if (last.empty() || (what != "exclude" && !renamed)) {
        return {what == "exclude"   ? "EXCLUDE takes names of columns"
                : what == "replace" ? "REPLACE takes (expression as column, ...)"
                                    : "RENAME takes (column as name, ...)",
                place};
      }
      if (what == "exclude") edit_.exclude.push_back(last);
      if (what == "rename") edit_.rename.emplace_back(name_of(p[p.size() - 3]), last);
      if (what == "replace") {
        edit_.replace.push_back(last);
        replacements_.emplace_back(p.begin(), p.end() - 2);
      }
    }
    return {};
  }

  void emit(size_t place, const std::string& gap) {
    out_.push_back(made(TokenKind::kQuotedName, quoted_name(kStarMarker), place));
    out_.back().gap = gap.empty() ? " " : gap;
    out_.push_back(made(TokenKind::kPunctuation, "(", place));
    out_.push_back(made(TokenKind::kNumber, std::to_string(s_.stars.size()), place));
    for (const Tokens& e : replacements_) {
      out_.push_back(made(TokenKind::kPunctuation, ",", place));
      out_.insert(out_.end(), e.begin(), e.end());
    }
    out_.push_back(made(TokenKind::kPunctuation, ")", place));
    s_.stars.push_back(std::move(edit_));
  }

  Rewritten& s_;
  const Tokens t_;
  Tokens out_;
  StarEdit edit_;
  std::vector<Tokens> replacements_;
};

// The last place before `i`, at its depth and in its select, where `word` stands; `i` when there is none.
size_t find_back(const Tokens& t, size_t i, std::string_view word) {
  int depth = 0;
  for (size_t k = i; k-- > 0;) {
    if (closes(t[k])) ++depth;
    if (is_mark(t[k], "(") || is_mark(t[k], "[") || is_mark(t[k], "{")) --depth;
    if (depth < 0) return i;
    if (depth > 0) continue;
    if (is_word(t[k], word)) return k;
    if (is_word(t[k], "select")) return i;
  }
  return i;
}

bool is_qualify(const Tokens& t, size_t i) {
  if (!is_word(t[i], "qualify") || i == 0 || i + 1 >= t.size() || find_back(t, i, "from") == i) return false;
  const Token &before = t[i - 1], &after = t[i + 1];
  if (before.kind == TokenKind::kOperator || is_mark(before, ".") || is_mark(before, ",") || is_word(before, "as") || is_word(before, "by"))
    return false;
  if (closes(after) || is_mark(after, ",") || is_mark(after, ".") || is_mark(after, ";")) return false;
  return !ends_clause(t, i + 1) && !one_of(word_of(after), {"join", "on", "inner", "left", "right", "full", "cross", "natural", "using"});
}

}  // namespace

namespace {

size_t opening(const Tokens& t, size_t close) {
  int depth = 0;
  for (size_t i = close + 1; i-- > 0;) {
    if (closes(t[i])) ++depth;
    if ((is_mark(t[i], "(") || is_mark(t[i], "[") || is_mark(t[i], "{")) && --depth == 0) return i;
  }
  return t.size();
}

bool is_unit(const Token& t) {
  const std::string w = word_of(t);
  return one_of(w.ends_with('s') ? w.substr(0, w.size() - 1) : w,
                {"year", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond"});
}

}  // namespace

void mark_ignore_nulls(Tokens& t) {
  for (size_t i = 1; i + 1 < t.size(); ++i) {
    const bool ignore = is_word(t[i], "ignore"), respect = is_word(t[i], "respect");
    if ((!ignore && !respect) || !is_word(t[i + 1], "nulls")) continue;
    const bool behind = is_mark(t[i - 1], ")") && i + 2 < t.size() && is_word(t[i + 2], "over");
    const bool inside = i + 3 < t.size() && is_mark(t[i + 2], ")") && is_word(t[i + 3], "over");
    const size_t close = behind ? i - 1 : i + 2;
    const size_t open = behind || inside ? opening(t, close) : t.size();
    if (open == 0 || open >= t.size() || name_of(t[open - 1]).empty()) continue;
    if (ignore) {
      t[open - 1].text = quoted_name(kIgnoreNullsMarker + name_of(t[open - 1]));
      t[open - 1].kind = TokenKind::kQuotedName;
    }
    t.erase(t.begin() + static_cast<std::ptrdiff_t>(i), t.begin() + static_cast<std::ptrdiff_t>(i) + 2);
  }
}

void quote_intervals(Tokens& t) {
  for (size_t i = 0; i + 2 < t.size(); ++i) {
    if (!is_word(t[i], "interval")) continue;
    if (t[i + 1].kind == TokenKind::kNumber && is_unit(t[i + 2])) {
      t[i + 1].kind = TokenKind::kText;
      t[i + 1].text = "'" + t[i + 1].text + " " + word_of(t[i + 2]) + "'";
      t.erase(t.begin() + static_cast<std::ptrdiff_t>(i) + 2);
      continue;
    }
    const size_t end = is_mark(t[i + 1], "(") ? closing(t, i + 1) : t.size();
    if (end >= t.size() || !is_unit(t[end])) continue;
    const size_t place = t[i].place;
    const std::string unit = word_of(t[end]);
    t[end] = made(TokenKind::kOperator, "*", place);
    const Token rest[] = {made(TokenKind::kWord, "interval", place), made(TokenKind::kText, quoted_text("1 " + unit), place),
                          made(TokenKind::kPunctuation, ")", place)};
    t.insert(t.begin() + static_cast<std::ptrdiff_t>(end) + 1, std::begin(rest), std::end(rest));
    t[i] = made(TokenKind::kPunctuation, "(", place);
  }
}

void mark_try_casts(Tokens& t) {
  for (size_t i = 0; i + 1 < t.size(); ++i) {
    if (!is_word(t[i], "try_cast") || !is_mark(t[i + 1], "(")) continue;
    const size_t as = scan(t, i + 2, [&](size_t k) { return is_word(t[k], "as"); });
    if (as >= t.size() || !is_word(t[as], "as")) continue;
    const size_t close = closing(t, i + 1) - 1, place = t[i].place;
    t.insert(t.begin() + static_cast<std::ptrdiff_t>(close), made(TokenKind::kPunctuation, ")", place));
    t.insert(t.begin() + static_cast<std::ptrdiff_t>(i) + 2, {made(TokenKind::kWord, "cast", place), made(TokenKind::kPunctuation, "(", place)});
  }
}

void drop_table_words(Tokens& t) {
  for (size_t i = 0; i + 3 < t.size(); ++i) {
    if (one_of(word_of(t[i]), {"tumble", "hop", "session"}) && is_mark(t[i + 1], "(") && is_word(t[i + 2], "table") &&
        !name_of(t[i + 3]).empty())
      t.erase(t.begin() + static_cast<std::ptrdiff_t>(i) + 2);
  }
}

RewriteError mark_stars(Rewritten& statement) { return StarPass(statement).run(); }

void move_qualify(Tokens& t) {
  for (size_t i = 0; i < t.size(); ++i) {
    if (!is_qualify(t, i)) continue;
    const size_t end = scan(t, i + 1, [&](size_t k) { return ends_clause(t, k) || is_qualify(t, k); });
    const size_t having = find_back(t, i, "having"), window = find_back(t, i, "window");
    const size_t place = t[i].place;
    const auto part = [&](size_t from, size_t to) {
      return Tokens(t.begin() + static_cast<std::ptrdiff_t>(from), t.begin() + static_cast<std::ptrdiff_t>(to));
    };
    Tokens clause = {made(TokenKind::kWord, "having", place), made(TokenKind::kQuotedName, quoted_name(kQualifyMarker), place),
                     made(TokenKind::kPunctuation, "(", place)};
    const auto append = [&](const Tokens& more) { clause.insert(clause.end(), more.begin(), more.end()); };
    const size_t begin = std::min(having, window);
    const size_t having_end = window < i ? window : i;
    if (having < i) {
      append(part(having + 1, having_end));
      clause.push_back(made(TokenKind::kPunctuation, ",", place));
    }
    append(part(i + 1, end));
    clause.push_back(made(TokenKind::kPunctuation, ")", place));
    if (window < i) append(part(window, i));
    t.erase(t.begin() + static_cast<std::ptrdiff_t>(begin), t.begin() + static_cast<std::ptrdiff_t>(end));
    t.insert(t.begin() + static_cast<std::ptrdiff_t>(begin), clause.begin(), clause.end());
    i = begin + clause.size() - 1;
  }
}

}  // namespace gristmill::sqltext
