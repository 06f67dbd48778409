// Cuts text files into blocks of whole records, one after the other: what is left for the one thread that reads, so that all others can
// parse.
//
// A block begins with a record and ends with one; how many records it has is counted here, so that every block knows its place in its
// file. One pass over the bytes finds both. Where quotes are not where they should be the pass is repeated by the grammar
// itself (csv_text.h), so no input is cut wrongly. Memory: one block, or one record if that is longer.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "base/cancellation.h"
#include "io/csv_text.h"
#include "io/text_ahead.h"
#include "io/text_input.h"

namespace gristmill::io {

struct TextFile {
  InputPtr input;
  arrow::Compression::type codec = arrow::Compression::UNCOMPRESSED;
};

struct TextBlock {
  std::shared_ptr<arrow::Buffer> buffer;  // readable 64 bytes beyond the text
  int64_t begin = 0;
  int64_t size = 0;
  int32_t input = -1;
  int64_t first_row = 0;   // records of the file before this block
  int64_t first_line = 1;  // of the file, from 1
  int64_t records = 0;
  bool exact = false;   // only the grammar tells where its fields end
  bool quotes = false;  // there is a quote
  arrow::Status error;  // instead of text: what ends the input here

  const uint8_t* text() const { return buffer->data() + begin; }
};

struct BlockRules {
  CsvDialect dialect;
  bool header = false;     // the first record of a file is not among its records
  int64_t skip_lines = 0;  // before it
  int64_t block_bytes = 1 << 20;
  int64_t most_records = 0;  // 0: no matter
  bool only_look = false;    // before the scan: a pipe is not used up
  int ahead = 0;             // pieces of a file on disk that others may read meanwhile (help())
};

inline constexpr int64_t kMostRecordBytes = int64_t{256} << 20;

// Where the head of a file (lines to skip, the header) ends, given its first `n` bytes (`all`: there are no more); nothing: it takes more
// of them. `header`: the raw header record.
arrow::Result<std::optional<int64_t>> find_head_end(const uint8_t* text, int64_t n, bool all, const BlockRules& rules,
                                                    const std::string& path, std::string* header);

class BlockCutter {
 public:
  BlockCutter(std::vector<TextFile> files, BlockRules rules, arrow::MemoryPool* pool)
      : files_(std::move(files)), rules_(std::move(rules)), pool_(pool) {}
  // Nothing at the end. An error is a block of its own, and the last.
  std::optional<TextBlock> next();
  // Reads a piece that next() will want, if there is one. Any thread, also while another is in next().
  void help();
  const std::string& header() const { return header_; }  // the raw header record of the file that is read, once next() was called

 private:
  arrow::Result<std::optional<TextBlock>> next_or_error();
  arrow::Status open_next();
  arrow::Status refill();
  arrow::Status refill_ahead(int64_t left);
  arrow::Status join_pieces(int64_t left, TextPiece& piece);
  void set_ahead(std::shared_ptr<TextAhead> ahead);
  arrow::Status pass_head();
  void find_borders(const TextPiece* piece = nullptr, int64_t left = 0);
  arrow::Result<TextBlock> last_record();
  TextBlock serve(int64_t end, int64_t records);
  const std::string& path() const { return files_[input_].input->path(); }
  const uint8_t* text() const { return buffer_->data() + at_; }

  const std::vector<TextFile> files_;
  const BlockRules rules_;
  arrow::MemoryPool* const pool_;
  std::unique_ptr<TextInput> in_;     // or
  std::shared_ptr<TextAhead> ahead_;  // of the file at hand; changed under the mutex
  std::mutex mutex_;
  int64_t piece_ = 0;  // the next to be taken
  int32_t input_ = -1;
  bool failed_ = false;

  std::shared_ptr<arrow::Buffer> buffer_;
  int64_t at_ = 0;       // what was given out ends here
  int64_t size_ = 0;     // what was read ends here
  int64_t border_ = 0;   // the last record that ended ends here
  int64_t records_ = 0;  // between at_ and border_
  int64_t lines_ = -1;   // line ends there; -1: not known
  bool exact_ = false, quotes_ = false;
  bool end_of_file_ = false;
  bool head_passed_ = false;
  int64_t row_ = 0, line_ = 1;
  std::string header_;
};

}  // namespace gristmill::io
