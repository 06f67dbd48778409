// The bytes of a text file, decompressed, one after the other. Used by one thread at a time.
//
// The codec follows from the ending of the name (.gz, .zst, .lz4, .bz2, .br, .sz, .snappy) unless it is named. A byte order mark at the
// beginning is dropped; UTF-16 and files that are no text are refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/io/type_fwd.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/util/type_fwd.h>

#include "io/open_input.h"

namespace gristmill::io {

class TextInput {
 public:
  // `only_look`: not the scan yet, so of a pipe only its first bytes are looked at.
  static arrow::Result<std::unique_ptr<TextInput>> open(const Input& input, arrow::Compression::type codec, bool only_look,
                                                        arrow::MemoryPool* pool);
  ~TextInput();
  // Fills `to` but for the end of the input; 0 only there.
  arrow::Result<int64_t> read(uint8_t* to, int64_t bytes);
  const std::string& path() const { return path_; }

 private:
  TextInput() = default;
  arrow::Result<int64_t> fill(uint8_t* to, int64_t bytes);
  std::string path_;
  std::shared_ptr<arrow::io::InputStream> in_;
  bool begun_ = false;
};

arrow::Status reading_error(const std::string& path, const arrow::Status& status);
// How many bytes of a file's first ones are a mark that is no text; an error for UTF-16 and for what is known to be no text at all.
arrow::Result<int64_t> text_begin(const std::string& path, const uint8_t* head, int64_t n);

// "infer", or a name; a plan error for one that this build does not have.
arrow::Result<arrow::Compression::type> text_codec(const std::string& name, const std::string& path);
arrow::Result<std::string> codec_ending(const std::string& name);  // "gzip" -> ".gz"; nothing for none and infer
std::string_view without_codec_ending(std::string_view path);      // "a.csv.gz" -> "a.csv"
// The endings alone and each with every codec's.
std::vector<std::string> with_codec_endings(const std::vector<std::string>& endings);

}  // namespace gristmill::io
