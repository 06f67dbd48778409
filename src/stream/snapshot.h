// The state of one operator in a checkpoint: parts of Arrow IPC bytes by name and key group.
//
//   <operator id>/about          kind, version and fingerprint of the operator, and numbers of its own
//   <operator id>/<part>/<017>   rows of key group 17 of 128; "all": rows that belong to no key
//
// The operator's id is stable over edits of the job, and a part never depends on workers: any number of them reads it back. Where kind,
// version or fingerprint differ, check() says so, and nothing is restored by accident.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "stream/key_group.h"

namespace gristmill::stream {

inline constexpr int kSnapshotVersion = 1;

class SnapshotWriter {
 public:
  using Store = std::function<arrow::Status(const std::string& name, const std::shared_ptr<arrow::Buffer>& bytes)>;
  SnapshotWriter(std::string operator_id, Store store, arrow::MemoryPool* pool = arrow::default_memory_pool())
      : id_(std::move(operator_id)), store_(std::move(store)), pool_(pool) {}

  // What the state is of. Once, before finish().
  void describe(std::string kind, int version, std::string fingerprint);
  void number(const std::string& name, int64_t value) { numbers_[name] = value; }
  // A part of a group may be put in several pieces; they are read back in this order. No rows: nothing is written.
  arrow::Status put(const std::string& part, int group, const arrow::RecordBatch& rows);
  // Where each source stood at the barrier: (partition, next position). The driver's call, before snapshot().
  using Positions = std::vector<std::pair<int32_t, int64_t>>;
  void set_positions(std::map<std::string, Positions> by_source) { positions_ = std::move(by_source); }
  const std::map<std::string, Positions>& positions() const { return positions_; }
  // Writes what was described, also of an operator without state. The driver's call, after snapshot().
  arrow::Status finish();
  arrow::MemoryPool* pool() const { return pool_; }

 private:
  const std::string id_;
  const Store store_;
  arrow::MemoryPool* const pool_;
  std::string kind_ = "none";
  int version_ = 0;
  std::string fingerprint_;
  std::map<std::string, int64_t> numbers_;
  std::map<std::string, int> pieces_;
  std::map<std::string, Positions> positions_;
};

class SnapshotReader {
 public:
  using Load = std::function<arrow::Result<std::shared_ptr<arrow::Buffer>>(const std::string& name)>;
  // `names`: of all parts of the checkpoint, in the order they were written.
  static arrow::Result<SnapshotReader> open(std::string operator_id, const std::vector<std::string>& names, Load load);

  // The checkpoint knows nothing of the operator: it is new in the job.
  bool empty() const { return !known_; }
  const std::string& kind() const { return kind_; }
  const std::string& fingerprint() const { return fingerprint_; }
  // A plan error that says what differs.
  arrow::Status check(std::string_view kind, int version, std::string_view fingerprint) const;
  bool has_number(const std::string& name) const { return numbers_.contains(name); }
  int64_t number(const std::string& name, int64_t otherwise = 0) const;
  // All rows of a part, group by group (kNoKeyGroup first), or of the groups [from, to) only.
  using Visit = std::function<arrow::Status(int group, const std::shared_ptr<arrow::RecordBatch>& rows)>;
  arrow::Status each(const std::string& part, const Visit& visit, int from = kNoKeyGroup, int to = kKeyGroups) const;

 private:
  SnapshotReader() = default;
  std::string id_;
  Load load_;
  bool known_ = false;
  std::string kind_;
  int version_ = 0;
  std::string fingerprint_;
  std::map<std::string, int64_t> numbers_;
  std::map<std::string, std::map<int, std::vector<std::string>>> parts_;
};

// Operators of a checkpoint that no operator of the job has taken: an edited job must say that it drops them.
std::vector<std::string> operators_in(const std::vector<std::string>& names);

}  // namespace gristmill::stream
