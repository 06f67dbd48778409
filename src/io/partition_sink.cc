// stage() cuts morsels where the partition changes and lets the file being filled encode the pieces; deliver() hands the pieces on.
//
// A staged piece carries its folder as a constant last column. A file has helpers (workers in its stage()) beside the one who
// delivers; it is finished when they are gone.

#include "io/partition_sink.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <shared_mutex>

#include <arrow/scalar.h>

#include "base/status.h"
#include "io/hive_keys.h"
#include "io/value_bytes.h"

namespace gristmill::io {
namespace {

constexpr size_t kMostFull = 2;  // files that wait to be finished; then whoever delivers does it

struct OpenFile {
  std::shared_ptr<exec::OrderedSink> sink;
  std::shared_mutex helpers;
  bool finished = false;  // under `helpers`
  int64_t rows = 0, bytes = 0;
};
using FilePtr = std::shared_ptr<OpenFile>;

class PartitionSink final : public exec::OrderedSink {
 public:
  PartitionSink(std::unique_ptr<OutputFolder> folder, PartitionRules rules, MakeFileSink make, std::shared_ptr<base::QueryMemory> memory)
      : folder_(std::move(folder)), rules_(std::move(rules)), make_(std::move(make)), memory_(std::move(memory)) {}

  std::string name() const override { return "write files of " + folder_->path(); }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    std::vector<column::Batch> out;
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(b, column::compact(std::move(b), memory_->pool()));
      if (b.rows > 0) ARROW_RETURN_NOT_OK(cut(std::move(b), context, out));
    }
    // Even a morsel without rows may lend a hand.
    ARROW_RETURN_NOT_OK(helped({}, context).status());
    while (true) {
      ARROW_RETURN_NOT_OK(context.cancel.check());
      ARROW_ASSIGN_OR_RAISE(const bool some, finish_one());
      if (!some) return out;
    }
  }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    for (column::Batch& b : batches) {
      if (b.selected() == 0) continue;
      const std::string folder(column::view_at(*b.columns.back().values, 0));
      b.columns.pop_back();
      if (filling_ == nullptr || folder != filling_folder_) ARROW_RETURN_NOT_OK(next_file(folder));
      ARROW_RETURN_NOT_OK(put(std::move(b)));
    }
    batches.clear();
    return Answer{};
  }

  arrow::Status finalize() override {
    if (rules_.keys.empty() && filling_ == nullptr) ARROW_RETURN_NOT_OK(next_file(""));  // no rows: the schema at least
    ARROW_RETURN_NOT_OK(file_full());
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const bool some, finish_one());
      if (!some) break;
    }
    return folder_->commit();
  }

  void abandon() override {
    std::lock_guard lock(mutex_);
    if (filling_ != nullptr) filling_->sink->abandon();
    for (const FilePtr& f : full_) f->sink->abandon();
    filling_.reset();
    full_.clear();
    folder_->abandon();
  }

 private:
  bool limited() const { return rules_.max_rows > 0 || rules_.max_bytes > 0; }

  // Pieces of one folder each.
  arrow::Status cut(column::Batch batch, const exec::QueryContext& context, std::vector<column::Batch>& out) {
    const size_t columns = batch.columns.size() - rules_.keys.size();
    std::vector<column::Column> keys;
    for (size_t k = columns; k < batch.columns.size(); ++k) {
      ARROW_ASSIGN_OR_RAISE(auto flat, column::flatten(batch.columns[k], batch.rows, memory_->pool()));
      keys.push_back(std::move(flat));
    }
    batch.columns.resize(columns);
    const auto same = [&](int64_t a, int64_t b) {
      return std::all_of(keys.begin(), keys.end(), [&](const column::Column& c) {
        const auto valid = column::validity_of(*c.values);
        if (valid.valid(a) != valid.valid(b)) return false;
        return !valid.valid(a) || column::view_at(*c.values, a) == column::view_at(*c.values, b);
      });
    };
    for (int64_t from = 0; from < batch.rows;) {
      int64_t to = from + 1;
      // Most batches lie within one partition.
      if (from == 0 && same(0, batch.rows - 1)) to = batch.rows;
      while (to < batch.rows && same(from, to)) ++to;
      std::string folder;
      for (size_t k = 0; k < keys.size(); ++k) {
        const bool valid = column::validity_of(*keys[k].values).valid(from);
        const HiveValue value = valid ? HiveValue(column::view_at(*keys[k].values, from)) : HiveValue();
        if (k > 0) folder += '/';
        folder += hive_folder(rules_.keys[k], value);
      }
      ARROW_ASSIGN_OR_RAISE(const auto tag, column::constant_of(arrow::StringScalar(folder), memory_->pool()));
      std::vector<column::Batch> piece;
      piece.push_back(column::slice(batch, from, to - from));
      // What is encoded cannot be cut, so where files are cut by their rows the rows go on as they are.
      if (!limited()) {
        ARROW_ASSIGN_OR_RAISE(piece, helped(std::move(piece), context));
      }
      for (column::Batch& p : piece) {
        p.columns.push_back(tag);
        out.push_back(std::move(p));
      }
      from = to;
    }
    return arrow::Status::OK();
  }

  // The file being filled stages the batches, if there is one.
  arrow::Result<std::vector<column::Batch>> helped(std::vector<column::Batch> batches, const exec::QueryContext& context) {
    FilePtr file;
    {
      std::lock_guard lock(mutex_);
      file = filling_;
    }
    if (file == nullptr) return batches;
    std::shared_lock helping(file->helpers, std::try_to_lock);
    if (!helping.owns_lock() || file->finished) return batches;
    return file->sink->stage(std::move(batches), context);
  }

  arrow::Status next_file(const std::string& folder) {
    ARROW_RETURN_NOT_OK(file_full());
    ARROW_ASSIGN_OR_RAISE(const std::string path, folder_->add(folder));
    auto file = std::make_shared<OpenFile>();
    ARROW_ASSIGN_OR_RAISE(file->sink, make_(path));
    filling_folder_ = folder;
    std::lock_guard lock(mutex_);
    filling_ = std::move(file);
    return arrow::Status::OK();
  }

  arrow::Status file_full() {
    size_t waiting = 0;
    {
      std::lock_guard lock(mutex_);
      if (filling_ != nullptr) full_.push_back(std::move(filling_));
      filling_.reset();
      waiting = full_.size();
    }
    for (; waiting > kMostFull; --waiting) ARROW_RETURN_NOT_OK(finish_one().status());
    return arrow::Status::OK();
  }

  // Finishes the first file that is full; false when none is. Any thread.
  arrow::Result<bool> finish_one() {
    FilePtr file;
    {
      std::lock_guard lock(mutex_);
      if (full_.empty()) return false;
      file = std::move(full_.front());
      full_.pop_front();
    }
    arrow::Status status;
    {
      std::lock_guard alone(file->helpers);
      file->finished = true;
      status = file->sink->finalize();
      if (!status.ok()) file->sink->abandon();
    }
    ARROW_RETURN_NOT_OK(status);
    return true;
  }

  // How many of the next rows of a batch the file takes; none when it is full.
  int64_t room(const std::vector<int64_t>& bytes, int64_t from, int64_t rows) {
    int64_t n = rows - from;
    if (rules_.max_rows > 0) n = std::min(n, rules_.max_rows - filling_->rows);
    if (rules_.max_bytes == 0) return n;
    for (int64_t i = 0; i < n; ++i) {
      if (filling_->bytes >= rules_.max_bytes) return i;
      filling_->bytes += bytes[static_cast<size_t>(from + i)];
    }
    return n;
  }

  arrow::Status put(column::Batch batch) {
    if (!limited()) return put_all(std::move(batch));
    std::vector<int64_t> bytes;
    if (rules_.max_bytes > 0) {
      for (column::Column& c : batch.columns) {
        ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, batch.rows, memory_->pool()));
      }
      bytes = value_bytes(batch);
    }
    for (int64_t from = 0; from < batch.rows;) {
      const int64_t n = room(bytes, from, batch.rows);
      if (n == 0) {
        ARROW_RETURN_NOT_OK(next_file(std::string(filling_folder_)));
        continue;
      }
      filling_->rows += n;
      ARROW_RETURN_NOT_OK(put_all(column::slice(batch, from, n)));
      from += n;
    }
    return arrow::Status::OK();
  }

  arrow::Status put_all(column::Batch batch) {
    std::vector<column::Batch> one;
    one.push_back(std::move(batch));
    return filling_->sink->deliver(0, one).status();
  }

  const std::unique_ptr<OutputFolder> folder_;
  const PartitionRules rules_;
  const MakeFileSink make_;
  const std::shared_ptr<base::QueryMemory> memory_;
  std::string filling_folder_;  // by whoever delivers

  std::mutex mutex_;
  FilePtr filling_;  // changed by whoever delivers
  std::deque<FilePtr> full_;
};

}  // namespace

std::shared_ptr<exec::OrderedSink> partition_sink(std::unique_ptr<OutputFolder> folder, PartitionRules rules, MakeFileSink make,
                                                  std::shared_ptr<base::QueryMemory> memory) {
  return std::make_shared<PartitionSink>(std::move(folder), std::move(rules), std::move(make), std::move(memory));
}

}  // namespace gristmill::io
