// What was entered before, in memory and in a file only its owner can read. Entries may have several lines.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gristmill::cli {

class History {
 public:
  // $GRISTMILL_HISTORY (empty: none), else gristmill/history in $XDG_STATE_HOME or ~/.local/state. A file that cannot be read or written is
  // no error: there is no history then.
  static std::string default_file();
  explicit History(std::string file);

  void add(const std::string& entry);
  size_t size() const { return entries_.size(); }
  const std::string& at(size_t i) const { return entries_[i]; }
  // The newest entry before `i` with `part` in it.
  std::optional<size_t> find_before(size_t i, const std::string& part) const;

 private:
  void rewrite() const;
  std::string file_;
  std::vector<std::string> entries_;
};

}  // namespace gristmill::cli
