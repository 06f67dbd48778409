// Listing and matching of keys.

#include "io/remote_files.h"

#include <algorithm>
#include <string_view>

#include <fnmatch.h>

#include "base/status.h"
#include "io/open_input.h"
#include "io/s3_store.h"

namespace gristmill::io {
namespace {

using Parts = std::vector<std::string>;

Parts parts_of(std::string_view path) {
  Parts out;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t slash = std::min(path.find('/', begin), path.size());
    if (slash > begin) out.emplace_back(path.substr(begin, slash - begin));
    begin = slash + 1;
  }
  return out;
}

bool matches(const Parts& pattern, size_t p, const Parts& name, size_t n) {
  if (p == pattern.size()) return n == name.size();
  if (pattern[p] == "**") {
    if (p + 1 < pattern.size() && matches(pattern, p + 1, name, n)) return true;
    if (n == name.size() || name[n][0] == '.') return false;
    return (p + 1 == pattern.size() && n + 1 == name.size()) || matches(pattern, p, name, n + 1);
  }
  return n < name.size() && fnmatch(pattern[p].c_str(), name[n].c_str(), FNM_PERIOD) == 0 && matches(pattern, p + 1, name, n + 1);
}

arrow::Result<std::vector<std::string>> expand_prefix(const std::string& url, const std::vector<std::string>& extensions,
                                                      const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const auto names, list_s3(url, true, storage));
  std::vector<std::string> found;
  std::string other, wanted;
  for (const ObjectName& o : names) {
    if (o.directory) continue;
    const Parts below = parts_of(std::string_view(o.path).substr(std::min(o.path.size(), url.size())));
    if (std::any_of(below.begin(), below.end(), [](const std::string& p) { return p[0] == '.' || p[0] == '_'; })) continue;
    const bool ours = std::any_of(extensions.begin(), extensions.end(), [&](const std::string& e) { return o.path.ends_with(e); });
    if (ours) {
      found.push_back(o.path);
    } else if (other.empty() || o.path < other) {
      other = o.path;
    }
  }
  for (const auto& e : extensions) wanted += (wanted.empty() ? "*" : ", *") + e;
  if (found.empty() && names.empty()) return base::io_error("file not found: " + url, url);
  if (found.empty()) {
    return base::io_error("directory \"" + url + "\" has no " + wanted + " file", url,
                          other.empty() ? "it is empty" : "it has \"" + other + "\"");
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

bool has_wildcard(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

arrow::Result<std::vector<std::string>> expand_remote(const std::string& url, const std::vector<std::string>& extensions,
                                                      const StoragePtr& storage) {
  const std::string scheme = scheme_of(url);
  if (scheme != "s3") return std::vector<std::string>{url};  // nothing can be listed there
  if (url.ends_with('/')) return expand_prefix(url, extensions, storage);
  ARROW_ASSIGN_OR_RAISE(const ObjectKind kind, kind_s3(url, storage));
  if (kind == ObjectKind::kObject) return std::vector<std::string>{url};
  if (kind == ObjectKind::kPrefix) return expand_prefix(url, extensions, storage);
  if (!has_wildcard(url)) return base::io_error("file not found: " + url, url);

  const size_t wild = url.find_first_of("*?["), begin = url.find("://") + 3;
  const size_t slash = url.rfind('/', wild);
  if (slash < begin) return base::io_error("a bucket's name cannot be a pattern: " + url, url);
  const Parts pattern = parts_of(std::string_view(url).substr(slash + 1));
  const std::string fixed = url.substr(0, slash);
  ARROW_ASSIGN_OR_RAISE(const auto names, list_s3(fixed, pattern.size() > 1 || pattern[0] == "**", storage));
  std::vector<std::string> found;
  for (const ObjectName& o : names) {
    if (!o.directory && matches(pattern, 0, parts_of(std::string_view(o.path).substr(fixed.size())), 0)) found.push_back(o.path);
  }
  if (found.empty()) return base::io_error("no file matches \"" + url + "\"", url);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace gristmill::io
