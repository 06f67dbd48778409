// Accounts and reservations; the counting itself is the pool's, the choice of who spills the registry's.
//
// A refused thread goes round: try, let the largest holder spill, try again. It ends, because a holder that
// frees nothing is not asked again before somebody else freed something.

#include "base/memory_budget.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "base/counting_pool.h"
#include "base/settings.h"
#include "base/spill_registry.h"
#include "base/status.h"
#include "base/topology.h"

namespace gristmill::base {
namespace {

using Line = CountingPool::Line;
using Refusal = CountingPool::Refusal;

constexpr int64_t kLeastSpill = int64_t{1} << 20;  // asking for less only makes small blocks
constexpr int kMostRounds = 10'000;                // a holder that claims to free and does not must not hang the query
constexpr auto kPatience = std::chrono::milliseconds(200);

int64_t default_limit() {
  const arrow::Result<int64_t> set = setting_bytes("GRISTMILL_MEMORY");
  if (set.ok() && *set > 0) return *set;
  return Topology::system().memory_limit() / 10 * 6;
}

// Makes room until `fits(&why)` is true. `own`: what the caller holds already and will not give up.
// `others`: whether somebody else's reservation may end soon.
template <typename Fits, typename Others>
arrow::Status make_room(SpillRegistry& holders, const void* account, int64_t wanted, int64_t own, const char* who, Fits fits,
                        Others others) {
  Refusal why;
  std::vector<Spillable*> dry;
  std::chrono::steady_clock::time_point give_up{};
  for (int round = 0; round < kMostRounds; ++round) {
    if (fits(&why)) return arrow::Status::OK();
    if (wanted > why.limit - own) break;  // never, whoever spills
    const int64_t ask = std::max({why.missing, why.limit / 64, kLeastSpill});
    ARROW_ASSIGN_OR_RAISE(const auto outcome, holders.spill_largest(ask, why.by_process ? nullptr : account, account, dry));
    if (outcome == SpillRegistry::Outcome::kFreed) dry.clear();
    if (outcome != SpillRegistry::Outcome::kNobody) continue;
    if (!others()) break;
    // Other workers' morsels end by themselves; failing at once would make the outcome a matter of timing.
    const auto now = std::chrono::steady_clock::now();
    if (give_up.time_since_epoch().count() == 0) give_up = now + kPatience;
    if (now >= give_up) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    dry.clear();
  }
  if (fits(&why)) return arrow::Status::OK();
  return CountingPool::refused(why, wanted, who);
}

}  // namespace

ProcessBudget::ProcessBudget(int64_t limit) : limit_(limit), holders_(std::make_unique<SpillRegistry>()) {}
ProcessBudget::~ProcessBudget() = default;

ProcessBudget& ProcessBudget::instance() {
  // Never destroyed: buffers of static objects are freed after any static of ours.
  static ProcessBudget* const budget = std::make_unique<ProcessBudget>(default_limit()).release();
  return *budget;
}

bool ProcessBudget::try_add(int64_t bytes, int64_t keep_free) {
  const int64_t limit = limit_.load(std::memory_order_relaxed) - keep_free;
  int64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

Reservation::Reservation(Reservation&& o) noexcept : owner_(std::move(o.owner_)), who_(o.who_), bytes_(std::exchange(o.bytes_, 0)) {}

Reservation& Reservation::operator=(Reservation&& o) noexcept {
  if (this != &o) {
    release();
    owner_ = std::move(o.owner_);
    who_ = o.who_;
    bytes_ = std::exchange(o.bytes_, 0);
  }
  return *this;
}

struct QueryMemory::Impl {
  Impl(int64_t cap, ProcessBudget& process) : pool(CountingPool::make(cap, process)) {}
  ~Impl() { pool->drop_owner(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  CountingPool* const pool;
  std::atomic<int64_t> spilled{0};
};

arrow::Status Reservation::grow_to(int64_t bytes) {
  if (bytes <= bytes_) return arrow::Status::OK();
  if (owner_ == nullptr) return internal_error("a reservation without a query cannot grow");
  ARROW_RETURN_NOT_OK(owner_->acquire(bytes - bytes_, bytes_, who_));
  bytes_ = bytes;
  return arrow::Status::OK();
}

void Reservation::shrink_to(int64_t bytes) {
  bytes = std::max<int64_t>(bytes, 0);
  if (bytes >= bytes_) return;
  owner_->impl_->pool->unreserve(bytes_ - bytes);
  bytes_ = bytes;
}

std::shared_ptr<QueryMemory> QueryMemory::make(int64_t cap, ProcessBudget& process) {
  std::shared_ptr<QueryMemory> memory(new QueryMemory());
  memory->impl_ = std::make_shared<Impl>(std::max<int64_t>(cap, 0), process);
  return memory;
}

QueryMemory::~QueryMemory() {
  if (impl_ != nullptr) impl_->pool->process().holders().remove_all(this);
}

arrow::MemoryPool* QueryMemory::pool() { return impl_->pool; }
std::shared_ptr<void> QueryMemory::pool_owner() { return impl_; }
int64_t QueryMemory::cap() const { return impl_->pool->cap(); }
int64_t QueryMemory::used() const { return impl_->pool->used(); }
int64_t QueryMemory::peak() const { return impl_->pool->peak(); }
int64_t QueryMemory::spilled_bytes() const { return impl_->spilled.load(std::memory_order_relaxed); }
bool QueryMemory::limited() const { return cap() > 0; }
void QueryMemory::count_spilled(int64_t bytes) { impl_->spilled.fetch_add(bytes, std::memory_order_relaxed); }

double QueryMemory::pressure() const {
  const ProcessBudget& process = impl_->pool->process();
  const double of_process = static_cast<double>(process.used()) / static_cast<double>(std::max<int64_t>(process.limit(), 1));
  if (!limited()) return of_process;
  return std::max(of_process, static_cast<double>(used()) / static_cast<double>(cap()));
}

arrow::Status QueryMemory::acquire(int64_t bytes, int64_t own, const char* who) {
  CountingPool& pool = *impl_->pool;
  if (SpillRegistry::inside_spill()) {
    Refusal why;
    return pool.try_reserve(bytes, Line::kOverdraft, &why) ? arrow::Status::OK() : CountingPool::refused(why, bytes, who);
  }
  return make_room(
      pool.process().holders(), this, bytes, own, who, [&](Refusal* why) { return pool.try_reserve(bytes, Line::kLimit, why); },
      [&] { return pool.reserved() > own; });
}

arrow::Result<Reservation> QueryMemory::reserve(int64_t bytes, const char* who) {
  Reservation reservation;
  reservation.owner_ = shared_from_this();
  reservation.who_ = who;
  ARROW_RETURN_NOT_OK(reservation.grow_to(bytes));
  return reservation;
}

arrow::Status QueryMemory::ensure_headroom(int64_t headroom, const char* who) {
  CountingPool& pool = *impl_->pool;
  const Line line = SpillRegistry::inside_spill() ? Line::kOverdraft : Line::kLimit;
  const auto fits = [&](Refusal* why) { return pool.fits(headroom, line, why); };
  if (Refusal why; fits(&why)) return arrow::Status::OK();
  if (line == Line::kOverdraft) return arrow::Status::OK();  // the spill that runs is what makes the room
  return make_room(pool.process().holders(), this, headroom, 0, who, fits, [&] { return pool.reserved() > 0; });
}

void QueryMemory::register_spillable(Spillable* s) { impl_->pool->process().holders().add(s, this); }
void QueryMemory::unregister_spillable(Spillable* s) { impl_->pool->process().holders().remove(s); }

}  // namespace gristmill::base
