// Handing out morsels 0..n-1 of a source to slots. Two ways, same answer set:
// a counter (ordered streaming sinks: nearly in order, bounded by the ring's window) and
// ranges (breakers: every slot owns a range, takes grains from the front, a thief takes half from the back).
//
// Thread safe, lock-free in the hot path. `close_from(seq)` after an error or a met limit: morsels at or
// beyond seq are not handed out any more; those below still are, all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace gristmill::sched {

class Claims {
 public:
  virtual ~Claims() = default;
  virtual std::optional<uint64_t> next(int slot) = 0;  // nothing left for this slot (now and for ever)
  virtual void close_from(uint64_t seq) = 0;           // the bound only ever falls
  virtual int64_t steals() const = 0;
  virtual int64_t steals_of(int slot) const = 0;  // by it
  virtual int64_t remaining(int slot) const = 0;  // queue_size of the statistics
};

std::unique_ptr<Claims> counter_claims(uint64_t count);
// `node_of_slot`: a thief looks at the slots of its own NUMA node first, at the others when these have nothing left. Slots of one node
// own neighbouring ranges. None: all are alike.
std::unique_ptr<Claims> range_claims(uint64_t count, int slots, std::vector<int> node_of_slot = {});

}  // namespace gristmill::sched
