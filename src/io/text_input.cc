// Opening, decompressing, the byte order mark.

#include "io/text_input.h"

#include <algorithm>
#include <cstring>

#include <arrow/buffer.h>
#include <arrow/io/compressed.h>
#include <arrow/io/memory.h>
#include <arrow/util/compression.h>

#include "base/status.h"
#include "io/snappy_stream.h"

namespace gristmill::io {
namespace {

constexpr int64_t kLookBytes = 1 << 20;

struct Ending {
  std::string_view ending;
  std::string_view name;
  arrow::Compression::type codec;
};
constexpr Ending kEndings[] = {
    {".gz", "gzip", arrow::Compression::GZIP},         {".gzip", "gzip", arrow::Compression::GZIP},
    {".zst", "zstd", arrow::Compression::ZSTD},        {".zstd", "zstd", arrow::Compression::ZSTD},
    {".lz4", "lz4", arrow::Compression::LZ4_FRAME},    {".bz2", "bz2", arrow::Compression::BZ2},
    {".br", "brotli", arrow::Compression::BROTLI},     {".sz", "snappy", arrow::Compression::SNAPPY},
    {".snappy", "snappy", arrow::Compression::SNAPPY},
};

// As much of a pipe as decides on its columns; what may be the beginning of a record only is left out.
arrow::Result<std::shared_ptr<arrow::io::InputStream>> first_bytes(const Input& input, bool text, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto head, input.head(kLookBytes, pool));
  if (text && head->size() == kLookBytes) {
    const std::string_view bytes(*head);
    const size_t end = bytes.rfind('\n');
    if (end != std::string_view::npos) head = arrow::SliceBuffer(head, 0, static_cast<int64_t>(end) + 1);
  }
  return std::make_shared<arrow::io::BufferReader>(std::move(head));
}

// Files that are often taken for text. No text begins like this: behind the letters stands a byte that is none.
struct Binary {
  std::string_view begins;
  const char* what;
  const char* hint;
};
constexpr Binary kBinaries[] = {
    {{"PAR1\x15", 5}, "a Parquet file", "read it as Parquet: scan_parquet, read_parquet('...')"},
    {{"ARROW1\0", 7}, "an Arrow IPC file", "read it as Arrow IPC: scan_ipc, read_ipc('...')"},
    {{"\x1f\x8b", 2}, "compressed with gzip", "compression=\"gzip\", or a name that ends with .gz"},
    {{"\x28\xb5\x2f\xfd", 4}, "compressed with zstd", "compression=\"zstd\", or a name that ends with .zst"},
    {{"PK\x03\x04", 4}, "a zip archive or a spreadsheet", "unpack it, or export its sheets as CSV"},
};
constexpr int64_t kHeadBytes = 8;

}  // namespace

arrow::Status reading_error(const std::string& path, const arrow::Status& status) {
  if (status.ok() || status.IsOutOfMemory() || status.IsCancelled() || base::error_detail(status) != nullptr) return status;
  return base::io_error("cannot read " + path + ": " + status.message().substr(0, status.message().find('\n')), path);
}

arrow::Result<int64_t> text_begin(const std::string& path, const uint8_t* head, int64_t n) {
  const std::string_view bytes(reinterpret_cast<const char*>(head), static_cast<size_t>(std::min(n, kHeadBytes)));
  for (const Binary& b : kBinaries) {
    if (bytes.starts_with(b.begins)) return base::io_error("not text: " + path + " is " + b.what, path, b.hint);
  }
  if (n >= 2 && ((head[0] == 0xff && head[1] == 0xfe) || (head[0] == 0xfe && head[1] == 0xff))) {
    return base::io_error("cannot read " + path + ": it is UTF-16", path, "convert it to UTF-8, for example with iconv");
  }
  return n >= 3 && head[0] == 0xef && head[1] == 0xbb && head[2] == 0xbf ? 3 : 0;
}

TextInput::~TextInput() {
  if (in_ != nullptr) (void)in_->Close();
}

arrow::Result<std::unique_ptr<TextInput>> TextInput::open(const Input& input, arrow::Compression::type codec, bool only_look,
                                                          arrow::MemoryPool* pool) {
  const std::string& path = input.path();
  std::unique_ptr<TextInput> out(new TextInput);
  out->path_ = path;
  if (only_look && input.sequential()) {
    ARROW_ASSIGN_OR_RAISE(out->in_, first_bytes(input, codec == arrow::Compression::UNCOMPRESSED, pool));
  } else {
    auto raw = input.stream(pool);
    if (!raw.ok()) return reading_error(path, raw.status());
    out->in_ = std::move(*raw);
  }
  if (codec == arrow::Compression::SNAPPY) {
    out->in_ = snappy_stream(std::move(out->in_), pool);
  } else if (codec != arrow::Compression::UNCOMPRESSED) {
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::util::Codec> made, arrow::util::Codec::Create(codec));
    auto in = arrow::io::CompressedInputStream::Make(made.get(), out->in_, pool);
    if (!in.ok()) return reading_error(path, in.status());
    out->in_ = std::move(*in);
  }
  return out;
}

arrow::Result<int64_t> TextInput::fill(uint8_t* to, int64_t bytes) {
  int64_t done = 0;
  while (done < bytes) {
    const auto n = in_->Read(bytes - done, to + done);
    if (!n.ok()) return reading_error(path_, n.status());
    if (*n == 0) break;
    done += *n;
  }
  return done;
}

arrow::Result<int64_t> TextInput::read(uint8_t* to, int64_t bytes) {
  if (begun_ || bytes == 0) return fill(to, bytes);
  begun_ = true;
  uint8_t head[kHeadBytes];
  ARROW_ASSIGN_OR_RAISE(int64_t n, fill(head, kHeadBytes));
  ARROW_ASSIGN_OR_RAISE(const int64_t mark, text_begin(path_, head, n));
  const uint8_t* const text = head + mark;
  n -= mark;
  const int64_t first = std::min(n, bytes);
  std::memcpy(to, text, static_cast<size_t>(first));
  if (first < n) {  // asked for fewer bytes than were looked at
    std::vector<uint8_t> rest(text + first, text + n);
    ARROW_ASSIGN_OR_RAISE(in_, prefixed_stream(std::move(rest), std::move(in_)));
    return first;
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t more, fill(to + first, bytes - first));
  return first + more;
}

arrow::Result<arrow::Compression::type> text_codec(const std::string& name, const std::string& path) {
  std::vector<std::string> known = {"infer", "none"};
  if (name == "none") return arrow::Compression::UNCOMPRESSED;
  const std::string plain = scheme_of(path).empty() ? path : path.substr(0, path.find_first_of("?#"));  // of a URL, without its query
  for (const Ending& e : kEndings) {
    if (name == "infer" ? plain.ends_with(e.ending) : name == e.name) {
      if (!arrow::util::Codec::IsAvailable(e.codec))
        return base::plan_error("this build cannot read " + std::string(e.name) + " compression");
      return e.codec;
    }
    if (known.back() != e.name) known.emplace_back(e.name);
  }
  if (name == "infer") return arrow::Compression::UNCOMPRESSED;
  return base::plan_error("unknown compression \"" + name + "\"", base::suggest_name(name, known));
}

arrow::Result<std::string> codec_ending(const std::string& name) {
  ARROW_RETURN_NOT_OK(text_codec(name, ""));
  for (const Ending& e : kEndings) {
    if (name == e.name) return std::string(e.ending);
  }
  return std::string();
}

std::string_view without_codec_ending(std::string_view path) {
  for (const Ending& e : kEndings) {
    if (path.ends_with(e.ending)) return path.substr(0, path.size() - e.ending.size());
  }
  return path;
}

std::vector<std::string> with_codec_endings(const std::vector<std::string>& endings) {
  std::vector<std::string> out = endings;
  for (const std::string& ending : endings) {
    for (const Ending& e : kEndings) out.push_back(ending + std::string(e.ending));
  }
  return out;
}

}  // namespace gristmill::io
