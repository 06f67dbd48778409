// Snapshots of a running stream, kept durably in a folder or a store: what a killed process goes on from.
//
// A checkpoint is a folder "epoch-000000000042" of two objects: "state", the parts one behind the other, and "manifest.json", which names
// them with their places and checksums and is written last, whole or not at all. Without its manifest a checkpoint does not exist; a part
// whose bytes are not those that were written is an error and never a result. Epochs rise; two checkpoints are kept. One writer at a time:
// who opens a store for writing takes it over, and the writer before is refused at its next commit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "io/output_file.h"
#include "io/storage_options.h"

namespace gristmill::stream {

inline constexpr int kCheckpointVersion = 1;
inline constexpr int kCheckpointsKept = 2;

struct CheckpointPart {
  std::string name;
  int64_t offset = 0;
  int64_t bytes = 0;
  uint64_t checksum = 0;
};

struct Checkpoint {
  int version = kCheckpointVersion;
  int64_t epoch = 0;
  int64_t created_micros = 0;  // since 1970
  int64_t bytes = 0;           // of all parts
  std::string path;
  std::map<std::string, std::string> facts;  // what the job says of itself: its name, its plan, workers, rows; shown by inspect
  std::vector<CheckpointPart> parts;         // in the order they were added

  const CheckpointPart* find(std::string_view name) const;
};

class CheckpointWriter;

class CheckpointStore : public std::enable_shared_from_this<CheckpointStore> {
 public:
  // A local folder, which is made when it is not there, or s3://bucket/prefix.
  static arrow::Result<std::shared_ptr<CheckpointStore>> open(const std::string& path, const io::StoragePtr& storage = {});

  const std::string& path() const { return path_; }

  // Complete checkpoints by epoch, the oldest first. What cannot be read (another version, damaged) is left out when `damaged` takes the
  // reasons, else an error.
  arrow::Result<std::vector<Checkpoint>> list(std::vector<std::string>* damaged = nullptr) const;
  arrow::Result<std::vector<int64_t>> epochs() const;  // that have a manifest
  arrow::Result<Checkpoint> inspect(int64_t epoch) const;
  // The newest of an epoch up to `most`; nothing has epoch 0.
  arrow::Result<Checkpoint> newest(int64_t most = INT64_MAX) const;
  arrow::Result<std::shared_ptr<arrow::Buffer>> read(const Checkpoint& checkpoint, const CheckpointPart& part,
                                                     arrow::MemoryPool* pool) const;

  // Takes the store over: writers before are refused from now on.
  arrow::Status take_over();
  // What an earlier attempt at the epoch left is removed.
  arrow::Result<std::unique_ptr<CheckpointWriter>> begin(int64_t epoch);
  // All but the newest `keep`, and what has no manifest. Never fails what was committed: errors are for whoever asks.
  arrow::Status remove_old(int keep = kCheckpointsKept);
  // Epochs above `epoch` go: a run goes on from there and will write them anew.
  arrow::Status remove_after(int64_t epoch);

 private:
  friend class CheckpointWriter;
  CheckpointStore(std::string path, io::StoragePtr storage, bool remote);
  std::string folder_of(int64_t epoch) const;
  arrow::Result<std::vector<int64_t>> folders() const;  // with and without a manifest, sorted
  arrow::Status check_owner() const;
  arrow::Status remove_epoch(int64_t epoch) const;

  const std::string path_;
  const io::StoragePtr storage_;
  const bool remote_;
  std::string owner_;  // empty: only reads
};

// One checkpoint on its way. Dropped without commit(), it leaves nothing that counts.
class CheckpointWriter {
 public:
  ~CheckpointWriter();
  arrow::Status add(const std::string& name, const arrow::Buffer& bytes);
  arrow::Status add(const std::string& name, std::string_view bytes);
  void set_fact(const std::string& name, const std::string& value) { checkpoint_.facts[name] = value; }
  // Durable when this returns OK; then old ones are removed.
  arrow::Result<Checkpoint> commit(int64_t now_micros);

 private:
  friend class CheckpointStore;
  CheckpointWriter(std::shared_ptr<CheckpointStore> store, std::shared_ptr<io::OutputFile> state, Checkpoint checkpoint);
  const std::shared_ptr<CheckpointStore> store_;
  std::shared_ptr<io::OutputFile> state_;
  Checkpoint checkpoint_;
};

}  // namespace gristmill::stream
