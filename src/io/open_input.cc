// Local files, and the choice between kinds of inputs.

#include "io/open_input.h"

#include <algorithm>
#include <cctype>

#include <arrow/buffer.h>
#include <arrow/io/file.h>

#include "base/status.h"
#include "io/connect/http_input.h"
#include "io/s3_store.h"

namespace gristmill::io {
namespace {

class LocalInput final : public Input {
 public:
  using Input::Input;
  bool local() const override { return true; }

  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(arrow::MemoryPool* pool) const override {
    ARROW_ASSIGN_OR_RAISE(const FileStamp now, stamp_of(path()));
    if (now != stamp()) return base::io_error("file changed since the scan was made: " + path(), path());
    auto opened = arrow::io::ReadableFile::Open(path(), pool);
    if (!opened.ok()) {
      const std::string& text = opened.status().message();
      return base::io_error("cannot open " + path() + ": " + text.substr(0, text.find('\n')), path());
    }
    return counted(std::move(*opened), meter());
  }
};

}  // namespace

arrow::Result<std::shared_ptr<arrow::io::InputStream>> Input::stream(arrow::MemoryPool* pool) const { return open(pool); }

arrow::Result<std::shared_ptr<arrow::Buffer>> Input::head(int64_t bytes, arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(const auto in, open(pool));
  return in->ReadAt(0, std::min(bytes, stamp().bytes));
}

std::string scheme_of(const std::string& path) {
  const size_t colon = path.find("://");
  if (colon == std::string::npos || colon == 0) return {};
  for (size_t i = 0; i < colon; ++i) {
    const auto c = static_cast<unsigned char>(path[i]);
    if (!std::isalnum(c) && c != '+' && c != '-' && c != '.') return {};
  }
  std::string scheme = path.substr(0, colon);
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return scheme;
}

arrow::Result<InputPtr> find_local(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(FileStamp stamp, stamp_of(path));
  return std::make_shared<LocalInput>(path, std::move(stamp));
}

arrow::Result<InputPtr> find_input(const std::string& path, const StoragePtr& storage) {
  const std::string scheme = scheme_of(path);
  if (scheme == "file") return find_input(path.substr(7), storage);
  if (scheme == "s3") {
    ARROW_ASSIGN_OR_RAISE(const StoragePtr options, or_environment(storage));
    return find_s3(path, options);
  }
  if (scheme == "http" || scheme == "https") {
    ARROW_ASSIGN_OR_RAISE(const StoragePtr options, or_environment(storage));
    return find_http(path, options);
  }
  if (!scheme.empty()) {
    return base::io_error("cannot read \"" + path + "\": unknown scheme \"" + scheme + "\"", path, "known: file, s3, http, https");
  }
  return is_pipe(path) ? find_pipe(path) : find_local(path);
}

}  // namespace gristmill::io
