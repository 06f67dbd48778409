// The snappy framing format: chunks of a type, a length of three bytes and a body; bodies of data begin with a masked CRC-32C.

#include "io/snappy_stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <arrow/buffer.h>
#include <arrow/buffer_builder.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/compression.h>

namespace gristmill::io {
namespace {

constexpr uint8_t kIdentifier[] = {0xff, 0x06, 0x00, 0x00, 's', 'N', 'a', 'P', 'p', 'Y'};
constexpr int64_t kMostChunk = 65536;
constexpr int64_t kMostRaw = int64_t{1} << 30;

uint32_t masked_crc32c(const uint8_t* p, size_t n) {
  static const auto kTable = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (size_t i = 0; i < n; ++i) crc = kTable[(crc ^ p[i]) & 255] ^ (crc >> 8);
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

// The parts that every sequential stream has alike.
class ReadOnlyStream : public arrow::io::InputStream {
 public:
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return told_; }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto out, arrow::AllocateResizableBuffer(bytes));
    ARROW_ASSIGN_OR_RAISE(const int64_t n, Read(bytes, out->mutable_data()));
    ARROW_RETURN_NOT_OK(out->Resize(n));
    return out;
  }
  using arrow::io::InputStream::Read;

 protected:
  int64_t told_ = 0;

 private:
  bool closed_ = false;
};

class SnappyStream final : public ReadOnlyStream {
 public:
  SnappyStream(std::shared_ptr<arrow::io::InputStream> in, arrow::MemoryPool* pool) : in_(std::move(in)), pool_(pool) {}

  using ReadOnlyStream::Read;
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    auto* to = static_cast<uint8_t*>(out);
    int64_t done = 0;
    while (done < bytes) {
      if (at_ == plain_.size()) {
        ARROW_ASSIGN_OR_RAISE(const bool more, next_chunk());
        if (!more) break;
        continue;
      }
      const int64_t n = std::min<int64_t>(bytes - done, static_cast<int64_t>(plain_.size() - at_));
      std::memcpy(to + done, plain_.data() + at_, static_cast<size_t>(n));
      at_ += static_cast<size_t>(n);
      done += n;
    }
    told_ += done;
    return done;
  }

 private:
  static arrow::Status damaged(const char* what) { return arrow::Status::IOError("damaged snappy stream: ", what); }

  arrow::Result<bool> take(int64_t bytes, std::vector<uint8_t>& into, bool may_end) {
    into.resize(static_cast<size_t>(bytes));
    int64_t done = 0;
    while (done < bytes) {
      ARROW_ASSIGN_OR_RAISE(const int64_t n, in_->Read(bytes - done, into.data() + done));
      if (n == 0) break;
      done += n;
    }
    if (done == 0 && may_end && bytes > 0) return false;
    if (done < bytes) return damaged("it ends within a chunk");
    return true;
  }

  // The next data into plain_; false at the end.
  arrow::Result<bool> next_chunk() {
    plain_.clear();
    at_ = 0;
    if (raw_) return false;
    std::vector<uint8_t> head;
    ARROW_ASSIGN_OR_RAISE(const bool more, take(4, head, true));
    if (!more) return false;
    const int64_t length = head[1] | head[2] << 8 | head[3] << 16;
    if (first_) {
      first_ = false;
      if (std::memcmp(head.data(), kIdentifier, 4) != 0) return raw_block(head);
    }
    std::vector<uint8_t> body;
    ARROW_RETURN_NOT_OK(take(length, body, false));
    if (head[0] == 0xff) {
      if (length != 6 || std::memcmp(body.data(), kIdentifier + 4, 6) != 0) return damaged("a wrong stream identifier");
      return true;
    }
    if (head[0] >= 0x80) return true;  // padding and chunks that may be skipped
    if (head[0] > 1) return damaged("a chunk of unknown type");
    if (length < 4) return damaged("a chunk without checksum");
    ARROW_RETURN_NOT_OK(decode(body.data() + 4, length - 4, head[0] == 0, kMostChunk));
    uint32_t wanted = 0;
    std::memcpy(&wanted, body.data(), 4);
    if (masked_crc32c(plain_.data(), plain_.size()) != wanted) return damaged("a checksum does not match");
    return true;
  }

  arrow::Status decode(const uint8_t* data, int64_t bytes, bool compressed, int64_t most) {
    if (!compressed) {
      if (bytes > most) return damaged("a chunk is too long");
      plain_.assign(data, data + bytes);
      return arrow::Status::OK();
    }
    uint64_t length = 0;  // a varint before the data
    int64_t i = 0;
    for (int shift = 0;; shift += 7, ++i) {
      if (i >= bytes || shift > 28) return damaged("no length");
      length |= static_cast<uint64_t>(data[i] & 127) << shift;
      if (data[i] < 128) break;
    }
    if (length > static_cast<uint64_t>(most)) return damaged("a chunk is too long");
    plain_.resize(length);
    ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::SNAPPY));
    ARROW_ASSIGN_OR_RAISE(const int64_t n, codec->Decompress(bytes, data, static_cast<int64_t>(length), plain_.data()));
    if (n != static_cast<int64_t>(length)) return damaged("a chunk is too short");
    return arrow::Status::OK();
  }

  arrow::Result<bool> raw_block(std::vector<uint8_t> bytes) {
    raw_ = true;
    while (true) {
      const size_t before = bytes.size();
      bytes.resize(before + (1 << 20));
      ARROW_ASSIGN_OR_RAISE(const int64_t n, in_->Read(1 << 20, bytes.data() + before));
      bytes.resize(before + static_cast<size_t>(n));
      if (n == 0) break;
      if (static_cast<int64_t>(bytes.size()) > kMostRaw) return damaged("a raw block beyond 1 GiB");
    }
    ARROW_RETURN_NOT_OK(decode(bytes.data(), static_cast<int64_t>(bytes.size()), true, kMostRaw));
    return true;
  }

  const std::shared_ptr<arrow::io::InputStream> in_;
  arrow::MemoryPool* const pool_;
  std::vector<uint8_t> plain_;
  size_t at_ = 0;
  bool first_ = true;
  bool raw_ = false;
};

class PrefixedStream final : public ReadOnlyStream {
 public:
  PrefixedStream(std::vector<uint8_t> first, std::shared_ptr<arrow::io::InputStream> rest)
      : first_(std::move(first)), rest_(std::move(rest)) {}
  using ReadOnlyStream::Read;
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    if (at_ == first_.size()) return rest_->Read(bytes, out);
    const size_t n = std::min(static_cast<size_t>(bytes), first_.size() - at_);
    std::memcpy(out, first_.data() + at_, n);
    at_ += n;
    return static_cast<int64_t>(n);
  }

 private:
  const std::vector<uint8_t> first_;
  const std::shared_ptr<arrow::io::InputStream> rest_;
  size_t at_ = 0;
};

}  // namespace

std::shared_ptr<arrow::io::InputStream> snappy_stream(std::shared_ptr<arrow::io::InputStream> in, arrow::MemoryPool* pool) {
  return std::make_shared<SnappyStream>(std::move(in), pool);
}

arrow::Result<std::shared_ptr<arrow::Buffer>> snappy_framed(const arrow::Buffer& bytes, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::SNAPPY));
  arrow::BufferBuilder out(pool);
  ARROW_RETURN_NOT_OK(out.Append(kIdentifier, sizeof kIdentifier));
  std::vector<uint8_t> packed(static_cast<size_t>(codec->MaxCompressedLen(kMostChunk, bytes.data())));
  for (int64_t at = 0; at < bytes.size(); at += kMostChunk) {
    const uint8_t* const from = bytes.data() + at;
    const int64_t n = std::min(kMostChunk, bytes.size() - at);
    ARROW_ASSIGN_OR_RAISE(const int64_t size, codec->Compress(n, from, static_cast<int64_t>(packed.size()), packed.data()));
    const bool smaller = size < n;
    const int64_t body = (smaller ? size : n) + 4;
    const uint32_t sum = masked_crc32c(from, static_cast<size_t>(n));
    const uint8_t head[8] = {static_cast<uint8_t>(smaller ? 0 : 1), static_cast<uint8_t>(body),     static_cast<uint8_t>(body >> 8),
                             static_cast<uint8_t>(body >> 16),      static_cast<uint8_t>(sum),      static_cast<uint8_t>(sum >> 8),
                             static_cast<uint8_t>(sum >> 16),       static_cast<uint8_t>(sum >> 24)};
    ARROW_RETURN_NOT_OK(out.Append(head, sizeof head));
    ARROW_RETURN_NOT_OK(out.Append(smaller ? packed.data() : from, body - 4));
  }
  return out.Finish();
}

arrow::Result<std::shared_ptr<arrow::io::InputStream>> prefixed_stream(std::vector<uint8_t> first,
                                                                       std::shared_ptr<arrow::io::InputStream> rest) {
  return std::make_shared<PrefixedStream>(std::move(first), std::move(rest));
}

}  // namespace gristmill::io
