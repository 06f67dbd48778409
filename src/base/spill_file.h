// A temporary file of checksummed, LZ4-compressed blocks, unlinked while open.
//
// A block is one or more frames of at most 1 MiB raw: four bytes of stored length (the highest bit set: not
// compressed), then the bytes. The checksum (XXH3, 64 bits) covers what is stored.
//
// Append-only; blocks are addressed by the handle that write returned and may be read
// from several threads at once. Never on a memory file system (the directory is
// GRISTMILL_SPILL_DIR, else TMPDIR, else /var/tmp; tmpfs is refused with an error that
// names the setting). A full disk is an IoError naming directory and bytes wanted. A block
// whose checksum differs on reading is an IoError, never data.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

namespace gristmill::base {

struct SpillBlock {
  uint64_t offset = 0;
  uint64_t stored_bytes = 0;
  uint64_t raw_bytes = 0;
  uint64_t checksum = 0;
};

std::string spill_directory();  // as the settings say

class SpillFile {
 public:
  // `directory` empty: from settings. The simulation and tests inject faults through `GRISTMILL_SPILL_FAIL_AFTER` bytes.
  static arrow::Result<std::shared_ptr<SpillFile>> create(const std::string& directory = {});
  ~SpillFile();

  // Thread safe: blocks of several writers interleave, each whole.
  arrow::Result<SpillBlock> write(const uint8_t* data, int64_t bytes);
  // Decompressed and verified.
  arrow::Result<std::shared_ptr<arrow::Buffer>> read(const SpillBlock& block, arrow::MemoryPool* pool) const;
  int64_t bytes_written() const;

 private:
  SpillFile() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gristmill::base
