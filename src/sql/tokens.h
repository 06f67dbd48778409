// SQL text as tokens, each with what stood before it (blanks, comments) and its place in the user's text.
//
// Invariant: joined() of what split_tokens() gave is the text; place_of() leads from any byte of a changed list back to the text.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

namespace gristmill::sqltext {

enum class TokenKind : uint8_t {
  kWord,
  kQuotedName,  // "a b"
  kText,        // 'a', E'a', $$a$$
  kNumber,
  kOperator,     // one or more of + - * / < > = ~ ! @ # % ^ & | ` ? and : := :: =>
  kPunctuation,  // ( ) [ ] { } , ; .
  kParameter,    // $1, $name, :name and ?
};

struct Token {
  TokenKind kind = TokenKind::kWord;
  std::string gap;   // before it
  std::string text;  // as written
  size_t place = 0;  // in the user's text
};

using Tokens = std::vector<Token>;

// A text, name or comment that does not end is left to the grammar, which says so.
Tokens split_tokens(std::string_view text);

// Lower case, names and texts without their quotes.
std::string word_of(const Token& t);  // empty unless it is a word without quotes
std::string name_of(const Token& t);  // of a word (in lower case) or a name in quotes; empty for anything else
std::string text_of(const Token& t);  // of a text literal
bool is_word(const Token& t, std::string_view lower);
bool is_mark(const Token& t, std::string_view text);  // punctuation or an operator
bool opens(const Token& t);                           // a bracket of any kind
bool closes(const Token& t);
bool one_of(std::string_view word, std::initializer_list<std::string_view> words);
std::string quoted_name(std::string_view name);
std::string quoted_text(std::string_view text);
Token made(TokenKind kind, std::string text, size_t place);

// One past the bracket that closes the one at `open`; the end if none does.
size_t closing(const Tokens& tokens, size_t open);

// The text of a list, and where its bytes come from.
struct JoinedText {
  std::string text;
  struct Piece {
    size_t begin = 0, place = 0, size = 0;
  };
  std::vector<Piece> pieces;
  size_t end_place = 0;  // of what lies behind the last token
  size_t place_of(size_t at) const;
};
JoinedText joined(const Tokens& tokens);

}  // namespace gristmill::sqltext
