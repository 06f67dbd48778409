// PostgreSQL's lexical rules as far as they decide where a token ends: nested comments, '' and E'' texts, $tag$ texts, operators.

#include "sql/tokens.h"

#include <algorithm>
#include <cctype>

namespace gristmill::sqltext {
namespace {

bool name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80); }
bool name_part(char c) { return name_start(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '$'; }
bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }
bool operator_part(char c) { return std::string_view("+-*/<>=~!@#%^&|`").find(c) != std::string_view::npos; }

class Lexer {
 public:
  explicit Lexer(std::string_view s) : s_(s) {}

  Tokens run() {
    Tokens out;
    while (true) {
      const size_t gap = at_;
      skip_gap();
      if (at_ >= s_.size()) break;
      const size_t begin = at_;
      Token t;
      t.kind = take();
      t.gap = s_.substr(gap, begin - gap);
      t.text = s_.substr(begin, at_ - begin);
      t.place = begin;
      out.push_back(std::move(t));
    }
    return out;
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < s_.size() ? s_[at_ + ahead] : '\0'; }

  void skip_gap() {
    while (at_ < s_.size()) {
      if (std::isspace(static_cast<unsigned char>(peek()))) {
        ++at_;
      } else if (peek() == '-' && peek(1) == '-') {
        while (at_ < s_.size() && peek() != '\n') ++at_;
      } else if (peek() == '/' && peek(1) == '*') {
        skip_comment();
      } else {
        return;
      }
    }
  }

  void skip_comment() {
    int depth = 0;
    do {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < s_.size());
    at_ = std::min(at_, s_.size());
  }

  // From the quote at at_; `escapes`: a backslash takes the next byte along.
  void skip_quoted(bool escapes) {
    const char quote = s_[at_++];
    while (at_ < s_.size()) {
      if (escapes && peek() == '\\') {
        at_ = std::min(at_ + 2, s_.size());
      } else if (peek() == quote && peek(1) == quote) {
        at_ += 2;
      } else if (peek() == quote) {
        ++at_;
        return;
      } else {
        ++at_;
      }
    }
  }

  // $$ ... $$ or $tag$ ... $tag$ at at_, if it is one.
  bool take_dollar_text() {
    size_t end = at_ + 1;
    while (end < s_.size() && (name_start(s_[end]) || (end > at_ + 1 && digit(s_[end])))) ++end;
    if (end >= s_.size() || s_[end] != '$') return false;
    const std::string_view tag = s_.substr(at_, end + 1 - at_);
    const size_t close = s_.find(tag, end + 1);
    at_ = close == std::string_view::npos ? s_.size() : close + tag.size();
    return true;
  }

  void take_number() {
    while (digit(peek())) ++at_;
    if (peek() == '.' && peek(1) != '.') {
      ++at_;
      while (digit(peek())) ++at_;
    }
    if ((peek() == 'e' || peek() == 'E') && (digit(peek(1)) || ((peek(1) == '+' || peek(1) == '-') && digit(peek(2))))) {
      at_ += 2;
      while (digit(peek())) ++at_;
    }
    while (name_part(peek())) ++at_;  // 0x1F, 1_000; nonsense is the grammar's to refuse
  }

  TokenKind take() {
    const char c = peek();
    if (c == '\'') {
      skip_quoted(false);
      return TokenKind::kText;
    }
    if (c == '"') {
      skip_quoted(false);
      return TokenKind::kQuotedName;
    }
    if (std::string_view("eEbBxXnN").find(c) != std::string_view::npos && peek(1) == '\'') {
      ++at_;
      skip_quoted(c == 'e' || c == 'E');
      return TokenKind::kText;
    }
    if (name_start(c)) {
      while (name_part(peek())) ++at_;
      return TokenKind::kWord;
    }
    if (digit(c) || (c == '.' && digit(peek(1)))) {
      take_number();
      return TokenKind::kNumber;
    }
    if (c == '$') {
      if (take_dollar_text()) return TokenKind::kText;
      ++at_;
      while (name_part(peek()) && peek() != '$') ++at_;
      return TokenKind::kParameter;
    }
    if (c == '?') {
      ++at_;
      return TokenKind::kParameter;
    }
    if (c == ':') {
      if (peek(1) == ':' || peek(1) == '=') {
        at_ += 2;
        return TokenKind::kOperator;
      }
      ++at_;
      return TokenKind::kOperator;  // with a name behind it: a parameter, unless it stands in a slice
    }
    if (operator_part(c)) {
      take_operator();
      return TokenKind::kOperator;
    }
    ++at_;
    return TokenKind::kPunctuation;
  }

  // Of several characters it ends before a comment, and before a sign that belongs to what follows (a*-1).
  void take_operator() {
    const size_t begin = at_;
    while (at_ < s_.size() && operator_part(peek()) &&
           !(at_ > begin && ((peek() == '-' && peek(1) == '-') || (peek() == '/' && peek(1) == '*'))))
      ++at_;
    const std::string_view all = s_.substr(begin, at_ - begin);
    if (all.find_first_of("~!@#%^&|`") != std::string_view::npos) return;
    while (at_ - begin > 1 && (s_[at_ - 1] == '+' || s_[at_ - 1] == '-')) --at_;
  }

  std::string_view s_;
  size_t at_ = 0;
};

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string unquoted(std::string_view s, char quote) {
  std::string out;
  for (size_t i = 1; i + 1 < s.size(); ++i) {
    out += s[i];
    if (s[i] == quote && s[i + 1] == quote) ++i;
  }
  return out;
}

std::string quoted(std::string_view s, char quote) {
  std::string out(1, quote);
  for (const char c : s) {
    if (c == quote) out += c;
    out += c;
  }
  return out + quote;
}

}  // namespace

Tokens split_tokens(std::string_view text) { return Lexer(text).run(); }

std::string word_of(const Token& t) { return t.kind == TokenKind::kWord ? lower(t.text) : ""; }

std::string name_of(const Token& t) {
  if (t.kind == TokenKind::kQuotedName) return unquoted(t.text, '"');
  return word_of(t);
}

std::string text_of(const Token& t) {
  if (t.kind != TokenKind::kText || t.text[0] != '\'') return {};
  return unquoted(t.text, '\'');
}

bool is_word(const Token& t, std::string_view lower_word) {
  return t.kind == TokenKind::kWord && t.text.size() == lower_word.size() && lower(t.text) == lower_word;
}

bool is_mark(const Token& t, std::string_view text) {
  return (t.kind == TokenKind::kPunctuation || t.kind == TokenKind::kOperator) && t.text == text;
}

bool opens(const Token& t) { return is_mark(t, "(") || is_mark(t, "[") || is_mark(t, "{"); }
bool closes(const Token& t) { return is_mark(t, ")") || is_mark(t, "]") || is_mark(t, "}"); }

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string quoted_name(std::string_view name) { return quoted(name, '"'); }
std::string quoted_text(std::string_view text) { return quoted(text, '\''); }

Token made(TokenKind kind, std::string text, size_t place) {
  Token t;
  t.kind = kind;
  t.gap = " ";
  t.text = std::move(text);
  t.place = place;
  return t;
}

size_t closing(const Tokens& tokens, size_t open) {
  int depth = 0;
  for (size_t i = open; i < tokens.size(); ++i) {
    if (tokens[i].kind != TokenKind::kPunctuation) continue;
    const char c = tokens[i].text[0];
    if (c == '(' || c == '[' || c == '{') ++depth;
    if ((c == ')' || c == ']' || c == '}') && --depth == 0) return i + 1;
  }
  return tokens.size();
}

JoinedText joined(const Tokens& tokens) {
  JoinedText out;
  for (const Token& t : tokens) {
    out.text += t.gap;
    out.pieces.push_back({out.text.size(), t.place, t.text.size()});
    out.text += t.text;
    out.end_place = std::max(out.end_place, t.place + t.text.size());
  }
  return out;
}

size_t JoinedText::place_of(size_t at) const {
  const auto next = std::upper_bound(pieces.begin(), pieces.end(), at, [](size_t a, const Piece& p) { return a < p.begin; });
  if (next == pieces.begin()) return pieces.empty() ? 0 : pieces.front().place;
  const Piece& p = *(next - 1);
  if (at < p.begin + p.size) return p.place + (at - p.begin);
  return next == pieces.end() ? end_place : next->place;
}

}  // namespace gristmill::sqltext
