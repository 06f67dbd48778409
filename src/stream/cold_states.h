// States of keys that went to disk to make room for others; of each a place of 24 bytes stays in memory.
//
// A state is found by the hash of its key, and says itself whose it is: keys of one hash come back together, which does no harm. It comes
// back when its key is wanted, or when its time has come (`due`). Blocks whose states have all come back free their file with the last of
// them; when most of what lies there is gone the rest is written anew.
//
// Not thread safe. Visits must not change what they are visits of.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "base/memory_budget.h"
#include "base/spill_file.h"
#include "stream/event_time.h"

namespace gristmill::stream {

class ColdStates {
 public:
  explicit ColdStates(std::shared_ptr<base::QueryMemory> memory) : memory_(std::move(memory)) {}

  bool empty() const { return live_ == 0; }
  int64_t keys() const { return live_; }
  int64_t bytes() const;  // of memory
  int64_t bytes_on_disk() const { return live_bytes_; }
  bool may_have(uint64_t hash) const;

  // `due`: kAllTime: never. All of a key's state in one piece; a key that is here is taken out before it is put again.
  arrow::Status put(uint64_t hash, int64_t due, std::string_view state);
  // Behind the last put() of a spill: nothing of them is in memory any more.
  arrow::Status flush();

  using Visit = std::function<arrow::Status(uint64_t hash, std::string_view state)>;
  // The states of these hashes leave.
  arrow::Status take(std::vector<uint64_t> hashes, const Visit& visit);
  // They stay.
  arrow::Status look(std::vector<uint64_t> hashes, const Visit& visit) const;
  // No state that is here is due before this.
  int64_t next_due() const { return due_.empty() ? kAllTime : due_.front().first; }
  // Some of the states due up to `to`, the earliest ones, and all that are due with the last of them, leave. No other leaves.
  arrow::Status take_due(int64_t to, const Visit& visit);
  // All of them stay.
  arrow::Status each(const Visit& visit) const;

 private:
  static constexpr uint32_t kFree = UINT32_MAX, kGone = UINT32_MAX - 1;
  struct Place {
    uint64_t hash = 0;
    int64_t due = 0;
    uint32_t block = kFree;
    uint32_t offset = 0;
    bool here() const { return block < kGone; }
  };
  struct Block {
    std::shared_ptr<base::SpillFile> file;
    base::SpillBlock at;
    int64_t live = 0;
  };
  std::vector<Place*> places_of(std::vector<uint64_t> hashes) const;
  void grow();
  uint32_t begin_block();
  arrow::Status end_block();
  arrow::Status append(Place* place, std::string_view state);
  void drop(Place* place, int64_t bytes);
  // Sorts the places as they lie on disk and visits them block by block.
  using VisitPlace = std::function<arrow::Status(Place* place, std::string_view state)>;
  arrow::Status read(std::vector<Place*> places, const VisitPlace& visit) const;
  arrow::Status take_out(std::vector<Place*> places, const Visit& visit);
  std::vector<Place*> all() const;
  arrow::Status write_anew();
  void queue(int64_t due, uint64_t hash);

  const std::shared_ptr<base::QueryMemory> memory_;
  std::vector<Place> places_;  // open addressing
  size_t used_ = 0;            // of places, those of gone states among them
  std::vector<Block> blocks_;
  std::vector<uint32_t> free_blocks_;
  std::shared_ptr<base::SpillFile> file_;
  std::vector<uint8_t> writing_;  // the block at hand
  uint32_t writing_block_ = kFree;
  int64_t live_ = 0, live_bytes_ = 0, bytes_ = 0;  // bytes_: of all blocks
  std::vector<std::pair<int64_t, uint64_t>> due_;  // a heap, the earliest first; may hold what has left
};

}  // namespace gristmill::stream
