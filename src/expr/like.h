// SQL's LIKE: % any text, _ one code point, backslash takes the next character as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gristmill::expr {

class LikePattern {
 public:
  explicit LikePattern(std::string_view pattern);
  bool matches(std::string_view s) const;

  // What the pattern comes down to, for kernels that know better.
  enum class Kind { kExact, kPrefix, kSuffix, kContains, kGeneral };
  Kind kind() const { return kind_; }
  const std::string& text() const { return text_; }  // of all kinds but kGeneral

 private:
  // Between two %: literal bytes, where `any` marks positions of _ (a byte of the text that stands for one code point).
  struct Piece {
    std::string bytes;
    std::vector<bool> any;
    bool plain = true;
  };
  static bool match_at(const Piece& p, std::string_view s, size_t at, size_t& end);
  static bool find(const Piece& p, std::string_view s, size_t from, size_t& begin, size_t& end);
  static bool match_end(const Piece& p, std::string_view s, size_t from);

  Kind kind_ = Kind::kGeneral;
  std::string text_;
  std::vector<Piece> pieces_;  // at least one; the first is bound to the start, the last to the end (either may be empty)
};

}  // namespace gristmill::expr
