// Blocks are compressed a few frames at a time into scratch, so that spilling needs little memory when there is none.
//
// Invariant: ranges of the file are handed out by one atomic counter, so writers never overlap. A block larger
// than the scratch takes its worst case first and gives the tail back if nobody came after it; else
// the tail stays a hole, which costs no disk.

#include "base/spill_file.h"

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/util/compression.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/settings.h"
#include "base/status.h"

namespace gristmill::base {
namespace {

constexpr int64_t kFrameBytes = int64_t{1} << 20;
constexpr int64_t kScratchFrames = 4;
constexpr uint32_t kPlainFrame = uint32_t{1} << 31;
constexpr int64_t kHeader = sizeof(uint32_t);
constexpr const char* kDirectoryHint = "set GRISTMILL_SPILL_DIR to a directory on a disk with room";

int64_t frame_count(int64_t bytes) { return (bytes + kFrameBytes - 1) / kFrameBytes; }

bool on_memory_file_system(const std::string& directory) {
  struct statfs fs;
  if (statfs(directory.c_str(), &fs) != 0) return false;  // opening will say why
  constexpr unsigned long kTmpfs = 0x01021994, kRamfs = 0x858458F6, kHugetlbfs = 0x958458F6;
  const auto magic = static_cast<unsigned long>(fs.f_type) & 0xFFFFFFFFUL;
  return magic == kTmpfs || magic == kRamfs || magic == kHugetlbfs;
}

arrow::Result<int> open_unlinked(const std::string& directory) {
  int fd = open(directory.c_str(), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  std::string name = directory + "/gristmill-spill-XXXXXX";  // file systems without O_TMPFILE
  fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return io_error(std::string("cannot create a spill file: ") + std::strerror(errno), directory, kDirectoryHint);
  unlink(name.c_str());
  return fd;
}

}  // namespace

std::string spill_directory() {
  if (std::string set = setting_text("GRISTMILL_SPILL_DIR"); !set.empty()) return set;
  const char* const tmpdir = std::getenv("TMPDIR");
  return tmpdir != nullptr && *tmpdir != '\0' ? tmpdir : "/var/tmp";
}

struct SpillFile::Impl {
  Impl(std::string where, int descriptor, int64_t limit) : directory(std::move(where)), fd(descriptor), fail_after(limit) {}
  ~Impl() { close(fd); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  arrow::Status disk_full(int64_t wanted) const {
    return io_error("disk full while spilling: wanted " + std::to_string(wanted) + " bytes in " + directory, directory, kDirectoryHint);
  }
  arrow::Status damaged(const char* how) const {
    return io_error(std::string("a spilled block differs from what was written: ") + how, directory, "the disk or its memory is faulty");
  }
  arrow::Status put(const uint8_t* data, int64_t bytes, uint64_t offset);
  arrow::Status get(uint8_t* out, int64_t bytes, uint64_t offset) const;

  const std::string directory;
  const int fd;
  const int64_t fail_after;
  std::atomic<uint64_t> end{0};  // next free offset
  std::atomic<int64_t> written{0};
};

arrow::Status SpillFile::Impl::put(const uint8_t* data, int64_t bytes, uint64_t offset) {
  if (written.fetch_add(bytes, std::memory_order_relaxed) + bytes > fail_after) return disk_full(bytes);
  while (bytes > 0) {
    const ssize_t done = pwrite(fd, data, static_cast<size_t>(bytes), static_cast<off_t>(offset));
    if (done < 0) {
      if (errno == EINTR) continue;
      if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) return disk_full(bytes);
      return io_error(std::string("cannot write a spill file: ") + std::strerror(errno), directory, kDirectoryHint);
    }
    data += done;
    bytes -= done;
    offset += static_cast<uint64_t>(done);
  }
  return arrow::Status::OK();
}

arrow::Status SpillFile::Impl::get(uint8_t* out, int64_t bytes, uint64_t offset) const {
  while (bytes > 0) {
    const ssize_t done = pread(fd, out, static_cast<size_t>(bytes), static_cast<off_t>(offset));
    if (done < 0) {
      if (errno == EINTR) continue;
      return io_error(std::string("cannot read a spill file: ") + std::strerror(errno), directory);
    }
    if (done == 0) return damaged("the file is shorter");
    out += done;
    bytes -= done;
    offset += static_cast<uint64_t>(done);
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<SpillFile>> SpillFile::create(const std::string& directory) {
  const std::string where = directory.empty() ? spill_directory() : directory;
  const bool chosen = !directory.empty() || !setting_text("GRISTMILL_SPILL_DIR").empty();
  if (on_memory_file_system(where) && !(chosen && setting_text("GRISTMILL_SPILL_ALLOW_TMPFS") == "1")) {
    return io_error("will not spill to " + where + ": it is a memory file system", where, kDirectoryHint);
  }
  ARROW_ASSIGN_OR_RAISE(int64_t fail_after, setting_bytes("GRISTMILL_SPILL_FAIL_AFTER"));
  if (setting_text("GRISTMILL_SPILL_FAIL_AFTER").empty()) fail_after = std::numeric_limits<int64_t>::max();
  ARROW_ASSIGN_OR_RAISE(const int fd, open_unlinked(where));
  std::shared_ptr<SpillFile> file(new SpillFile());
  file->impl_ = std::make_unique<Impl>(where, fd, fail_after);
  return file;
}

SpillFile::~SpillFile() = default;

int64_t SpillFile::bytes_written() const { return impl_->written.load(std::memory_order_relaxed); }

arrow::Result<SpillBlock> SpillFile::write(const uint8_t* data, int64_t bytes) {
  SpillBlock block;
  block.raw_bytes = static_cast<uint64_t>(bytes);
  XXH3_state_t checksum;
  XXH3_64bits_reset(&checksum);
  const int64_t frames = frame_count(bytes);
  const bool whole = frames <= kScratchFrames;
  const auto worst = static_cast<uint64_t>(bytes + frames * kHeader);
  if (!whole) block.offset = impl_->end.fetch_add(worst);

  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::LZ4));
  const int64_t gathered = std::min(bytes, kScratchFrames * kFrameBytes) + kScratchFrames * kHeader;
  const int64_t capacity = gathered + codec->MaxCompressedLen(std::min(bytes, kFrameBytes), data);
  const auto scratch =
      std::make_unique_for_overwrite<uint8_t[]>(static_cast<size_t>(capacity));  // not of the query: it may have nothing left
  for (int64_t first = 0; first < frames; first += kScratchFrames) {
    uint8_t* to = scratch.get();
    for (int64_t f = first; f < std::min(frames, first + kScratchFrames); ++f) {
      const uint8_t* const from = data + f * kFrameBytes;
      const int64_t raw = std::min(kFrameBytes, bytes - f * kFrameBytes);
      const int64_t room = scratch.get() + capacity - (to + kHeader);
      ARROW_ASSIGN_OR_RAISE(int64_t stored, codec->Compress(raw, from, room, to + kHeader));
      uint32_t header = static_cast<uint32_t>(stored);
      if (stored >= raw) {
        std::memcpy(to + kHeader, from, static_cast<size_t>(raw));
        stored = raw;
        header = static_cast<uint32_t>(raw) | kPlainFrame;
      }
      std::memcpy(to, &header, sizeof(header));
      to += kHeader + stored;
    }
    const int64_t ready = to - scratch.get();
    if (whole) block.offset = impl_->end.fetch_add(static_cast<uint64_t>(ready));
    XXH3_64bits_update(&checksum, scratch.get(), static_cast<size_t>(ready));
    ARROW_RETURN_NOT_OK(impl_->put(scratch.get(), ready, block.offset + block.stored_bytes));
    block.stored_bytes += static_cast<uint64_t>(ready);
  }
  if (!whole) {
    uint64_t after = block.offset + worst;
    impl_->end.compare_exchange_strong(after, block.offset + block.stored_bytes);
  }
  block.checksum = XXH3_64bits_digest(&checksum);
  return block;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> SpillFile::read(const SpillBlock& block, arrow::MemoryPool* pool) const {
  const auto bytes = static_cast<int64_t>(block.raw_bytes);
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<arrow::Buffer> out, arrow::AllocateBuffer(bytes, pool));
  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::LZ4));
  const int64_t most = std::min(bytes, kFrameBytes);
  const auto scratch = std::make_unique_for_overwrite<uint8_t[]>(static_cast<size_t>(most));
  XXH3_state_t checksum;
  XXH3_64bits_reset(&checksum);
  uint64_t at = block.offset;
  const uint64_t end = block.offset + block.stored_bytes;
  for (int64_t done = 0; done < bytes; done += kFrameBytes) {
    const int64_t raw = std::min(kFrameBytes, bytes - done);
    uint32_t header = 0;
    if (at + sizeof(header) > end) return impl_->damaged("a frame is missing");
    ARROW_RETURN_NOT_OK(impl_->get(reinterpret_cast<uint8_t*>(&header), sizeof(header), at));
    at += sizeof(header);
    const bool plain = (header & kPlainFrame) != 0;
    const int64_t stored = header & ~kPlainFrame;
    if (stored > raw || (plain && stored != raw) || at + static_cast<uint64_t>(stored) > end) {
      return impl_->damaged("the length of a frame is wrong");
    }
    uint8_t* const to = out->mutable_data() + done;
    uint8_t* const in = plain ? to : scratch.get();
    ARROW_RETURN_NOT_OK(impl_->get(in, stored, at));
    XXH3_64bits_update(&checksum, &header, sizeof(header));
    XXH3_64bits_update(&checksum, in, static_cast<size_t>(stored));
    at += static_cast<uint64_t>(stored);
    if (plain) continue;
    const arrow::Result<int64_t> unpacked = codec->Decompress(stored, in, raw, to);
    if (!unpacked.ok() || *unpacked != raw) return impl_->damaged("a frame cannot be decompressed");
  }
  if (at != end || XXH3_64bits_digest(&checksum) != block.checksum) return impl_->damaged("the checksum is wrong");
  return std::shared_ptr<arrow::Buffer>(std::move(out));
}

}  // namespace gristmill::base
