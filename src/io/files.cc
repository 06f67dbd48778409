// Expansion of paths, patterns and directories.
//
// A pattern is walked one path component at a time, so only directories that can still match are listed. Lists are
// sorted once at the end: components sort differently from whole paths ("a-b/x" stands before "a/x").

#include "io/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fnmatch.h>
#include <sys/stat.h>

#include "base/status.h"
#include "io/open_input.h"
#include "io/remote_files.h"

namespace gristmill::io {
namespace {

namespace fs = std::filesystem;

std::string joined(const std::string& directory, const std::string& name) {
  if (directory.empty()) return name;
  return directory.back() == '/' ? directory + name : directory + "/" + name;
}

struct Entry {
  std::string name;
  bool directory = false;
};

// A directory that went away or may not be listed has no entries for a pattern; `failed` tells those who named it.
std::vector<Entry> entries_of(const std::string& directory, std::error_code* failed = nullptr) {
  std::vector<Entry> out;
  std::error_code error;
  fs::directory_iterator it(directory.empty() ? fs::path(".") : fs::path(directory), error), end;
  for (; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    out.push_back({it->path().filename().string(), it->is_directory(ignored)});
  }
  if (failed != nullptr) *failed = error;
  return out;
}

std::vector<std::string> components_of(const std::string& pattern) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (begin <= pattern.size()) {
    const size_t slash = std::min(pattern.find('/', begin), pattern.size());
    if (slash > begin) out.push_back(pattern.substr(begin, slash - begin));
    begin = slash + 1;
  }
  return out;
}

// Symbolic links to directories are followed by names and single wildcards but not by ** (they may form circles).
void walk(const std::string& directory, const std::vector<std::string>& parts, size_t at, std::vector<std::string>& found) {
  const std::string& part = parts[at];
  const bool last = at + 1 == parts.size();
  if (part == "**") {
    if (!last) walk(directory, parts, at + 1, found);
    for (const Entry& e : entries_of(directory)) {
      if (e.name[0] == '.') continue;
      const std::string path = joined(directory, e.name);
      std::error_code ignored;
      if (e.directory && !fs::is_symlink(path, ignored)) walk(path, parts, at, found);
      if (!e.directory && last) found.push_back(path);
    }
    return;
  }
  if (!has_wildcard(part)) {
    const std::string path = joined(directory, part);
    std::error_code ignored;
    const bool is_directory = fs::is_directory(path, ignored);
    if (last && !is_directory && fs::exists(path, ignored)) found.push_back(path);
    if (!last && is_directory) walk(path, parts, at + 1, found);
    return;
  }
  for (const Entry& e : entries_of(directory)) {
    if (fnmatch(part.c_str(), e.name.c_str(), FNM_PERIOD) != 0) continue;
    if (last && !e.directory) found.push_back(joined(directory, e.name));
    if (!last && e.directory) walk(joined(directory, e.name), parts, at + 1, found);
  }
}

bool ends_with_any(const std::string& name, const std::vector<std::string>& extensions) {
  return std::any_of(extensions.begin(), extensions.end(), [&](const std::string& e) { return name.ends_with(e); });
}

// Names beginning with _ or . are other programs' notes (_SUCCESS, _temporary, .crc).
arrow::Status below(const std::string& directory, const std::vector<std::string>& extensions, std::vector<std::string>& found,
                    std::string& other) {
  std::error_code failed;
  const auto entries = entries_of(directory, &failed);
  if (failed) return base::io_error("cannot list directory \"" + directory + "\": " + failed.message(), directory);
  for (const Entry& e : entries) {
    if (e.name[0] == '.' || e.name[0] == '_') continue;
    const std::string path = joined(directory, e.name);
    std::error_code ignored;
    if (e.directory) {
      if (!fs::is_symlink(path, ignored)) ARROW_RETURN_NOT_OK(below(path, extensions, found, other));
    } else if (ends_with_any(e.name, extensions)) {
      found.push_back(path);
    } else if (other.empty() || path < other) {
      other = path;
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<std::string>> expand_directory(const std::string& directory, const std::vector<std::string>& extensions) {
  std::vector<std::string> found;
  std::string other;
  ARROW_RETURN_NOT_OK(below(directory, extensions, found, other));
  if (found.empty()) {
    std::string wanted;
    for (const auto& e : extensions) wanted += (wanted.empty() ? "*" : ", *") + e;
    return base::io_error("directory \"" + directory + "\" has no " + wanted + " file", directory,
                          other.empty() ? "it is empty" : "it has \"" + other + "\"");
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The nearest name in the first directory of the path that exists; empty when nothing is near.
std::string nearest(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash == 0 ? 1 : slash);
  std::error_code ignored;
  if (!directory.empty() && !fs::is_directory(directory, ignored)) {
    if (fs::exists(directory, ignored)) return "\"" + directory + "\" is a file";
    const std::string deeper = nearest(directory);
    return deeper.empty() ? "there is no directory \"" + directory + "\"" : deeper;
  }
  std::vector<std::string> names;
  for (const Entry& e : entries_of(directory)) names.push_back(e.name);
  std::sort(names.begin(), names.end());
  // Only the last component is compared, or a long directory would make every name look near.
  const std::string hint = names.empty() ? "" : base::suggest_name(path.substr(slash + 1), names);
  constexpr std::string_view kBefore = "; did you mean \"";
  if (!hint.starts_with(kBefore)) return {};
  const std::string name = hint.substr(kBefore.size(), hint.rfind('"') - kBefore.size());
  return "did you mean \"" + joined(directory, name) + "\"?";
}

std::string without_scheme(const std::string& pattern) { return pattern.starts_with("file://") ? pattern.substr(7) : pattern; }

}  // namespace

arrow::Result<std::vector<std::string>> expand_files(const std::string& given, const std::vector<std::string>& extensions,
                                                     const StoragePtr& storage) {
  const std::string pattern = without_scheme(given);
  if (pattern.empty()) return base::io_error("the file name is empty");
  if (pattern == "-") return std::vector<std::string>{"/dev/stdin"};
  if (!scheme_of(pattern).empty()) {
    ARROW_ASSIGN_OR_RAISE(const StoragePtr options, or_environment(storage));
    return expand_remote(pattern, extensions, options);
  }
  std::error_code ignored;
  const fs::file_status status = fs::status(pattern, ignored);
  if (fs::is_directory(status)) return expand_directory(pattern, extensions);
  if (fs::exists(status)) return std::vector<std::string>{pattern};
  if (!has_wildcard(pattern)) return base::io_error("file not found: " + pattern, pattern, nearest(pattern));

  std::vector<std::string> found;
  const auto parts = components_of(pattern);
  walk(pattern[0] == '/' ? "/" : "", parts, 0, found);
  if (found.empty()) return base::io_error("no file matches \"" + pattern + "\"", {}, nearest(pattern));
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

arrow::Result<std::vector<std::string>> expand_files(const std::vector<std::string>& patterns, const std::vector<std::string>& extensions,
                                                     const StoragePtr& storage) {
  if (patterns.empty()) return base::io_error("no file name was given");
  std::vector<std::string> out;
  for (const std::string& pattern : patterns) {
    ARROW_ASSIGN_OR_RAISE(auto files, expand_files(pattern, extensions, storage));
    out.insert(out.end(), files.begin(), files.end());
  }
  return out;
}

arrow::Result<FileStamp> stamp_of(const std::string& path) {
  struct stat s{};
  if (::stat(path.c_str(), &s) != 0) {
    if (errno == ENOENT) return base::io_error("file not found: " + path, path, nearest(path));
    return base::io_error("cannot open " + path + ": " + std::strerror(errno), path);
  }
  if (S_ISDIR(s.st_mode)) return base::io_error(path + " is a directory", path);
  return FileStamp{s.st_size, int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec, {}};
}

std::string files_text(const std::vector<std::string>& patterns, size_t files) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(patterns.size(), 3); ++i) out += (i ? ", " : "") + patterns[i];
  if (patterns.size() > 3) out += ", ...";
  if (files != 1) out += " (" + std::to_string(files) + " files)";
  return out;
}

}  // namespace gristmill::io
