// Pieces of a text file on disk, read and looked through by several workers ahead of the one that cuts blocks.
//
// Pieces have one size and lie side by side. Behind its first line end a piece is scanned as if a record began there; whoever cuts knows
// whether one does. So the work on every byte is done by all workers, and what is left to do in order is little.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/simd/dispatch.h"
#include "io/csv_text.h"

namespace gristmill::io {

struct TextPiece {
  static constexpr int64_t kRoom = 64 * 1024;  // before the text, for what is left of the record before

  std::shared_ptr<arrow::Buffer> buffer;  // text at kRoom; readable 64 bytes beyond it
  int64_t size = 0;
  int64_t head = -1;                // behind the first line end; -1: there is none, or nothing was scanned
  column::simd::TextBorders found;  // behind the head
  int64_t lines = 0;                // line ends behind the head up to found.last, quoted or not
  arrow::Status status;
};

int64_t lines_in(const uint8_t* text, int64_t n);

class TextAhead {
 public:
  // `most`: pieces that may be there before they are taken.
  TextAhead(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t bytes, int64_t piece_bytes, CsvDialect dialect, int most,
            arrow::MemoryPool* pool)
      : file_(std::move(file)), bytes_(bytes), piece_bytes_(piece_bytes), dialect_(std::move(dialect)), most_(most), pool_(pool) {}

  int64_t pieces() const { return (bytes_ + piece_bytes_ - 1) / piece_bytes_; }
  // Pieces in order, by one thread at a time; who must wait for another's work does the next piece meanwhile.
  TextPiece take(int64_t index);
  // Makes one piece, if one is wanted and nobody makes it. Any thread.
  bool help();

 private:
  TextPiece make(int64_t index) const;

  const std::shared_ptr<arrow::io::RandomAccessFile> file_;
  const int64_t bytes_, piece_bytes_;
  const CsvDialect dialect_;
  const int64_t most_;
  arrow::MemoryPool* const pool_;

  std::mutex mutex_;
  std::condition_variable made_;
  int64_t taken_ = 0, begun_ = 0;
  std::map<int64_t, TextPiece> ready_;
};

}  // namespace gristmill::io
