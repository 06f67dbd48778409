// Encoded morsels travel as batches whose one column holds the text; slices wait to be compressed as row groups of Parquet do.

#include "io/text_sink.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>

#include <arrow/buffer_builder.h>
#include <arrow/io/compressed.h>
#include <arrow/io/memory.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/batch_file_sink.h"
#include "io/output_file.h"
#include "io/snappy_stream.h"
#include "io/text_input.h"

namespace gristmill::io {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;

constexpr int64_t kEncodedRows = 1024;             // at a time
constexpr int64_t kRoomBehind = 1024;              // of text, beside a sixteenth, for rows longer than the ones before
constexpr int64_t kSliceBytes = int64_t{1} << 20;  // of text, in one frame
constexpr size_t kMostSlices = 8;                  // that wait; then whoever delivers compresses too

// The type by which deliver() knows text from rows.
const column::TypePtr& text_marker() {
  static const column::TypePtr kType = std::make_shared<arrow::UInt8Type>();
  return kType;
}

struct Slice {
  BufferPtr text;
  BufferPtr frame;
  bool taken = false;
};

class TextSink final : public exec::OrderedSink {
 public:
  TextSink(std::string format, std::shared_ptr<const TextEncoder> encoder, std::shared_ptr<base::QueryMemory> memory,
           std::shared_ptr<OutputFile> file, std::shared_ptr<arrow::util::Codec> codec)
      : format_(std::move(format)),
        encoder_(std::move(encoder)),
        memory_(std::move(memory)),
        file_(std::move(file)),
        codec_(std::move(codec)),
        filling_(memory_->pool()) {}

  std::string name() const override { return "write " + format_ + " " + file_->path(); }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(b, encoded(std::move(b)));
      while (compress_one()) ARROW_RETURN_NOT_OK(context.cancel.check());
    }
    return batches;
  }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    ARROW_RETURN_NOT_OK(begin());
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(const auto dense, encoded(std::move(b)));
      const BufferPtr& text = dense.columns[0].values->buffers[1];
      ARROW_RETURN_NOT_OK(put(text->data(), text->size()));
    }
    batches.clear();
    return Answer{};
  }

  arrow::Status finalize() override {
    ARROW_RETURN_NOT_OK(begin());
    if (codec_ != nullptr) {
      if (filling_.length() > 0 || !any_slice_) ARROW_RETURN_NOT_OK(cut());
      while (compress_one()) {
      }
      std::lock_guard lock(mutex_);
      ARROW_RETURN_NOT_OK(failed_);
      if (!slices_.empty()) return base::internal_error("slices of " + file_->path() + " were not written");
    }
    return file_->finish();
  }

  void abandon() override {
    file_->abandon();
    std::lock_guard lock(mutex_);
    slices_.clear();
  }
  ~TextSink() override { file_->abandon(); }

 private:
  arrow::Result<column::Batch> encoded(column::Batch batch) const {
    if (batch.columns.size() == 1 && batch.columns[0].type() == text_marker()) return batch;
    ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), memory_->pool()));
    for (column::Column& c : batch.columns) {
      ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, batch.rows, memory_->pool()));
    }
    arrow::BufferBuilder text(memory_->pool());
    // Rows are about as long as those before them: then nothing is moved while the text grows, nor cut off behind it.
    const int64_t expected = batch.rows * row_bytes_.load(std::memory_order_relaxed);
    ARROW_RETURN_NOT_OK(text.Reserve(expected + expected / 16 + kRoomBehind));
    ARROW_RETURN_NOT_OK(encoder_->encode(batch, text));
    if (batch.rows > 0) row_bytes_.store(text.length() / batch.rows + 1, std::memory_order_relaxed);
    ARROW_ASSIGN_OR_RAISE(auto bytes, text.Finish(text.capacity() / 2 > text.length()));
    column::Batch out;
    out.rows = batch.rows;
    out.origin = batch.origin;
    out.columns.push_back(column::Column::constant(column::make_array(text_marker(), 1, nullptr, 0, std::move(bytes))));
    return out;
  }

  arrow::Status begin() {
    if (begun_) return arrow::Status::OK();
    begun_ = true;
    const std::string head = encoder_->head();
    return put(reinterpret_cast<const uint8_t*>(head.data()), std::ssize(head));
  }

  // In order, by whoever delivers.
  arrow::Status put(const uint8_t* text, int64_t bytes) {
    if (codec_ == nullptr) return writing_error(file_->path(), file_->Write(text, bytes));
    while (bytes > 0) {
      const int64_t n = std::min(bytes, kSliceBytes - filling_.length());
      ARROW_RETURN_NOT_OK(filling_.Append(text, n));
      text += n;
      bytes -= n;
      if (filling_.length() == kSliceBytes) ARROW_RETURN_NOT_OK(cut());
    }
    while (waiting() > kMostSlices && compress_one()) {
    }
    std::lock_guard lock(mutex_);
    return failed_;
  }

  arrow::Status cut() {
    auto slice = std::make_shared<Slice>();
    ARROW_ASSIGN_OR_RAISE(slice->text, filling_.Finish());
    any_slice_ = true;
    std::lock_guard lock(mutex_);
    slices_.push_back(std::move(slice));
    return arrow::Status::OK();
  }

  size_t waiting() {
    std::lock_guard lock(mutex_);
    return slices_.size();
  }

  // The next slice that nobody has taken; false when there is none. Any thread. Whoever finishes the first in order writes it and what
  // follows.
  bool compress_one() {
    if (codec_ == nullptr) return false;
    std::shared_ptr<Slice> slice;
    {
      std::lock_guard lock(mutex_);
      if (!failed_.ok()) return false;
      const auto open = std::find_if(slices_.begin(), slices_.end(), [](const auto& s) { return !s->taken; });
      if (open == slices_.end()) return false;
      slice = *open;
      slice->taken = true;
    }
    auto frame = compressed(*slice->text);
    std::unique_lock lock(mutex_);
    if (!frame.ok()) {
      if (failed_.ok()) failed_ = frame.status();
      return true;
    }
    slice->frame = std::move(*frame);
    slice->text.reset();
    if (writing_) return true;
    writing_ = true;
    while (failed_.ok() && !slices_.empty() && slices_.front()->frame != nullptr) {
      const std::shared_ptr<Slice> first = slices_.front();
      slices_.pop_front();
      lock.unlock();
      arrow::Status status = writing_error(file_->path(), file_->Write(first->frame->data(), first->frame->size()));
      lock.lock();
      if (failed_.ok()) failed_ = std::move(status);
    }
    writing_ = false;
    return true;
  }

  arrow::Result<BufferPtr> compressed(const arrow::Buffer& text) const {
    if (codec_->compression_type() == arrow::Compression::SNAPPY) return snappy_framed(text, memory_->pool());
    ARROW_ASSIGN_OR_RAISE(auto out, arrow::io::BufferOutputStream::Create(text.size() / 4 + 64, memory_->pool()));
    ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::io::CompressedOutputStream::Make(codec_.get(), out, memory_->pool()));
    ARROW_RETURN_NOT_OK(stream->Write(text.data(), text.size()));
    ARROW_RETURN_NOT_OK(stream->Close());
    return out->Finish();
  }

  const std::string format_;
  const std::shared_ptr<const TextEncoder> encoder_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const std::shared_ptr<OutputFile> file_;
  const std::shared_ptr<arrow::util::Codec> codec_;  // null: plain text
  mutable std::atomic<int64_t> row_bytes_{0};        // of rows encoded last; only how much room is made depends on it
  bool begun_ = false;
  bool any_slice_ = false;
  arrow::BufferBuilder filling_;  // the slice that is not full

  std::mutex mutex_;
  std::deque<std::shared_ptr<Slice>> slices_;  // not in the file yet, in order
  bool writing_ = false;
  arrow::Status failed_;
};

}  // namespace

arrow::Status LineEncoder::encode(const column::Batch& batch, arrow::BufferBuilder& out) const {
  std::string some;
  for (int64_t at = 0; at < batch.rows; at += kEncodedRows) {
    some.clear();
    ARROW_RETURN_NOT_OK(encode(batch, at, std::min(kEncodedRows, batch.rows - at), some));
    ARROW_RETURN_NOT_OK(out.Append(some.data(), std::ssize(some)));
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<exec::OrderedSink>> text_sink(std::string format, const std::string& path, const std::string& compression,
                                                            std::optional<int> level, std::shared_ptr<const TextEncoder> encoder,
                                                            std::shared_ptr<base::QueryMemory> memory, const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const auto type, text_codec(compression, path));
  if (type == arrow::Compression::BROTLI) {
    return base::plan_error("text cannot be written with brotli compression", "known: none, gzip, zstd, lz4, bz2, snappy");
  }
  std::shared_ptr<arrow::util::Codec> codec;
  if (type != arrow::Compression::UNCOMPRESSED) {
    auto made = arrow::util::Codec::Create(type, level.value_or(arrow::util::kUseDefaultCompressionLevel));
    if (!made.ok())
      return base::plan_error("compression_level " + std::to_string(level.value_or(0)) + " is not supported: " + made.status().message());
    codec = std::move(*made);
  } else if (level.has_value()) {
    return base::plan_error("compression_level needs a compression");
  }
  ARROW_ASSIGN_OR_RAISE(auto file, OutputFile::create(path, storage));
  return std::make_shared<TextSink>(std::move(format), std::move(encoder), std::move(memory), std::move(file), std::move(codec));
}

}  // namespace gristmill::io
