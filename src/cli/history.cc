// A line of the file is an entry, its newlines written \n and its backslashes doubled.

#include "cli/history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace gristmill::cli {
namespace {

constexpr size_t kMostEntries = 2000;

std::string written(const std::string& entry) {
  std::string out;
  for (const char c : entry) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + '\n';
}

std::string read(const std::string& line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      out += line[i];
      continue;
    }
    out += line[++i] == 'n' ? '\n' : line[i];
  }
  return out;
}

void append_to(const std::string& file, const std::string& text, int flags) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, S_IRUSR | S_IWUSR);
  if (fd < 0) return;
  (void)!::write(fd, text.data(), text.size());
  close(fd);
}

}  // namespace

std::string History::default_file() {
  if (const char* told = std::getenv("GRISTMILL_HISTORY")) return told;
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state && *state) return std::string(state) + "/gristmill/history";
  return home && *home ? std::string(home) + "/.local/state/gristmill/history" : "";
}

History::History(std::string file) : file_(std::move(file)) {
  if (file_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(file_).parent_path(), ignored);
  std::ifstream in(file_);
  for (std::string line; std::getline(in, line);) entries_.push_back(read(line));
  if (entries_.size() <= kMostEntries) return;
  entries_.erase(entries_.begin(), entries_.end() - static_cast<std::ptrdiff_t>(kMostEntries / 2));
  rewrite();
}

void History::rewrite() const {
  std::string all;
  for (const std::string& e : entries_) all += written(e);
  append_to(file_, all, O_TRUNC);
}

void History::add(const std::string& entry) {
  if (entry.empty() || (!entries_.empty() && entries_.back() == entry)) return;
  entries_.push_back(entry);
  if (!file_.empty()) append_to(file_, written(entry), O_APPEND);
}

std::optional<size_t> History::find_before(size_t i, const std::string& part) const {
  while (i-- > 0) {
    if (entries_[i].find(part) != std::string::npos) return i;
  }
  return std::nullopt;
}

}  // namespace gristmill::cli
