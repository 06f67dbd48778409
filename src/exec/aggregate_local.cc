// From a batch to groups: keys and arguments are evaluated first (all that can fail on a row), then rows find
// their groups and every function is fed, span by span, while the groups' rows are in cache.

#include "exec/aggregate_local.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/group_find.h"
#include "exec/group_runs.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kSpareHeadroom = int64_t{1} << 20;
constexpr int64_t kNearBytes = int64_t{256} << 10;  // groups that stay in the nearest caches
// Rows wait for their groups when a worker's take more than this and of a batch's rows more than one in so many is a new one.
constexpr int64_t kCachedBytes = int64_t{1} << 20;
constexpr int64_t kRarelyNew = 3;
constexpr int64_t kMostPending = int64_t{8} << 20;
constexpr int kLine = 64;  // bytes that come into a cache together

// Spans take turns among the columns, a page of each at a time, which is too short for the processor to foresee.
void ask_for(const ArgumentRows& a, int64_t begin, int64_t n) {
  if (!a.values || a.values->buffers.size() < 2 || !a.values->buffers[1]) return;
  const int width = column::byte_width(column::physical_unchecked(*a.values->type));
  const uint8_t* const values = a.values->buffers[1]->data() + (a.values->offset + begin) * width;
  const int64_t bytes = std::min(n, a.n - begin) * width;
  for (int64_t at = 0; at < bytes; at += kLine) __builtin_prefetch(values + at);
}

}  // namespace

// A small part of what the query may use, all workers together.
int64_t AggregateLocal::rows_to_remember(const QueryContext& context) {
  constexpr int64_t kMost = int64_t{1} << 18, kShare = 64;
  if (!context.memory->limited()) return kMost;
  return std::min(kMost, context.memory->cap() / (kShare * context.workers * static_cast<int64_t>(sizeof(uint8_t*))));
}

arrow::Status AggregateLocal::evaluate_argument(const AggregateArgument& a, const column::Batch& batch, ArgumentRows* out) {
  column::Batch seen;
  const column::Batch* rows = &batch;
  out->selection = batch.selection;
  out->places.clear();
  out->filtered = a.filter != nullptr;
  if (a.filter) {
    ARROW_ASSIGN_OR_RAISE(const column::Mask mask, evaluator_.mask(*a.filter, batch));
    seen = batch;
    seen.selection = batch.selection.intersect(mask);
    out->selection = seen.selection;
    rows = &seen;
  }
  out->n = out->selection.count(batch.rows);
  out->physical = out->selection.all() ? std::span<const uint16_t>() : out->selection.indices(batch.rows);
  if (a.filter) {
    // Both lists ascend: the place of a row is where it stands in the longer one.
    out->places.resize(static_cast<size_t>(out->n));
    const auto all = batch.selection.all() ? std::span<const uint16_t>() : batch.selection.indices(batch.rows);
    int32_t place = 0;
    for (int64_t j = 0; j < out->n; ++j) {
      const int32_t row = out->physical.empty() ? static_cast<int32_t>(j) : out->physical[static_cast<size_t>(j)];
      if (all.empty()) {
        place = row;
      } else {
        while (all[static_cast<size_t>(place)] != row) ++place;
      }
      out->places[static_cast<size_t>(j)] = place;
    }
  }
  out->values = nullptr;
  if (a.values.empty() || out->n == 0) return arrow::Status::OK();
  if (a.values.size() > 1) return evaluate_several(a, *rows, out);
  ARROW_ASSIGN_OR_RAISE(column::Column values, evaluator_.evaluate(*a.values[0], *rows));
  if (!a.needs_values && !column::has_nulls(values) && values.type()->id() != arrow::Type::NA) return arrow::Status::OK();
  if (!out->selection.all()) {
    ARROW_ASSIGN_OR_RAISE(values, column::take(values, out->physical, plan_.pool()));
  }
  if (a.needs_values || values.is_constant()) {
    ARROW_ASSIGN_OR_RAISE(values, column::flatten(values, out->n, plan_.pool()));
  }
  out->values = values.values;
  return arrow::Status::OK();
}

arrow::Status AggregateLocal::evaluate_several(const AggregateArgument& a, const column::Batch& rows, ArgumentRows* out) {
  auto packed = std::make_shared<arrow::ArrayData>(a.packed, out->n, std::vector<std::shared_ptr<arrow::Buffer>>{nullptr}, 0);
  for (const auto& value : a.values) {
    ARROW_ASSIGN_OR_RAISE(column::Column values, evaluator_.evaluate(*value, rows));
    if (!out->selection.all()) {
      ARROW_ASSIGN_OR_RAISE(values, column::take(values, out->physical, plan_.pool()));
    }
    ARROW_ASSIGN_OR_RAISE(values, column::flatten(values, out->n, plan_.pool()));
    packed->child_data.push_back(values.values);
  }
  out->values = std::move(packed);
  return arrow::Status::OK();
}

arrow::Status AggregateLocal::evaluate(const column::Batch& batch) {
  keys_.clear();
  for (const auto& key : plan_.spec.keys) {
    ARROW_ASSIGN_OR_RAISE(column::Column values, evaluator_.evaluate(*key, batch));
    if (!batch.selection.all()) {
      ARROW_ASSIGN_OR_RAISE(values, column::take(values, batch.selection.indices(batch.rows), plan_.pool()));
    }
    keys_.push_back(std::move(values));
  }
  arguments_.resize(plan_.arguments.size());
  for (size_t a = 0; a < plan_.arguments.size(); ++a) ARROW_RETURN_NOT_OK(evaluate_argument(plan_.arguments[a], batch, &arguments_[a]));
  return arrow::Status::OK();
}

// Nothing is changed by evaluating: it can be done again.
arrow::Status AggregateLocal::evaluate_with_room(const column::Batch& batch) {
  arrow::Status status = evaluate(batch);
  while (!status.ok() && base::error_kind(status) == base::ErrorKind::kMemory) {
    int64_t freed = 0;
    if (layout_.form != KeyForm::kNone) {
      const std::lock_guard lock(mutex_);
      ARROW_ASSIGN_OR_RAISE(freed, spill_locked(std::numeric_limits<int64_t>::max()));
    }
    if (freed == 0 && !plan_.turns->wait_for_others()) return status;
    status = evaluate(batch);
  }
  return status;
}

arrow::Status AggregateLocal::consume(const column::Batch& batch, Position position) {
  const int64_t n = batch.selected();
  if (n == 0) return arrow::Status::OK();
  const Turns::Scope turn(*plan_.turns);
  ARROW_RETURN_NOT_OK(evaluate_with_room(batch));
  if (layout_.form == KeyForm::kNone) return add_global(position, n);

  // Every row might be a new group, and indexes double one by one.
  ARROW_RETURN_NOT_OK(side_.grow_to(direct_.bytes() + echo_.bytes() + side_bytes_.load(std::memory_order_relaxed)));
  const int64_t most = n * (layout_.stride + 24) + bytes_to_keep() + bytes_.load(std::memory_order_relaxed) / 16 + kSpareHeadroom;
  const arrow::Status room = plan_.context.memory->ensure_headroom(most, "aggregation");
  if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
  held_ = std::unique_lock(mutex_);
  const auto release = [](std::unique_lock<std::mutex>* held) { held->unlock(); };
  const std::unique_ptr<std::unique_lock<std::mutex>, decltype(release)> end(&held_);
  // Nobody has anything to give: what this batch needs may still fit where everything of ours was.
  if (!room.ok()) ARROW_RETURN_NOT_OK(spill_locked(std::numeric_limits<int64_t>::max()).status());
  const auto physical = batch.selection.all() ? nullptr : batch.selection.indices(batch.rows).data();
  ARROW_RETURN_NOT_OK(add_groups({position.order, physical}, n));
  if (plan_.context.spill_eagerly) ARROW_RETURN_NOT_OK(spill_locked(std::numeric_limits<int64_t>::max()).status());
  count_bytes();
  return arrow::Status::OK();
}

// What the functions will keep of the batch's values, about.
int64_t AggregateLocal::bytes_to_keep() const {
  if (!plan_.keeps_values()) return 0;
  constexpr int64_t kEach = 48;  // an entry of a map or a record, and the room that doubling leaves
  int64_t bytes = 0;
  for (const int argument : plan_.argument_of) {
    const ArgumentRows& a = arguments_[static_cast<size_t>(argument)];
    bytes += a.n * kEach;
    if (a.values) bytes += column::compact_bytes(column::Column::flat(a.values), a.n);
  }
  return bytes;
}

void AggregateLocal::count_bytes() {
  int64_t side = 0;
  for (int p = 0; p < tables_.size(); ++p) side += tables_.table(p).side_bytes();
  side_bytes_.store(side, std::memory_order_relaxed);
  bytes_.store(tables_.bytes() + pending_bytes_, std::memory_order_relaxed);
}

arrow::Status AggregateLocal::add_global(Position position, int64_t) {
  for (size_t f = 0; f < plan_.functions.size(); ++f) {
    const ArgumentRows& a = arguments_[static_cast<size_t>(plan_.argument_of[f])];
    if (a.n == 0) continue;
    const RowOrders orders{position.order, a.physical.empty() ? nullptr : a.physical.data()};
    ARROW_RETURN_NOT_OK(plan_.functions[f]->update_one(global_, {nullptr, a.values.get(), 0, a.n, orders, &tables_}));
  }
  return arrow::Status::OK();
}

arrow::Status AggregateLocal::add_groups(RowOrders orders, int64_t n) {
  rows_.resize(static_cast<size_t>(n));
  fed_.assign(plan_.functions.size(), 0);
  // Orders of new rows need no look at old ones while batches come in order.
  const bool ascending = !any_order_ || orders.at(0) > highest_order_;
  any_order_ = true;
  highest_order_ = std::max(highest_order_, orders.at(n - 1));
  const auto after = [&](int64_t begin, int64_t count, Progress* progress) {
    if (!ascending) lower_orders(layout_, rows_.data() + begin, orders, begin, count);
    return update_span(rows_.data() + begin, orders, begin, count, progress);
  };
  Progress progress;
  int64_t done = 0;
  direct_spills_ = spills_;
  const int64_t groups = tables_.groups(), spills = spills_;
  const auto learn = [&] {
    if (spills_ == spills) echo_.learn(rows_.data(), n, tables_.groups() - groups);
  };
  const bool direct = direct_.find(plan_.keys, keys_, n, rows_.data(), &unknown_);
  const bool runs = !direct && !waiting_ && layout_.form == KeyForm::kBlob && find_key_runs(keys_, n, &starts_);
  if (runs) unknown_ = starts_;
  if (direct || runs || echo_.find(plan_.keys, keys_, n, rows_.data(), &unknown_)) {
    ARROW_RETURN_NOT_OK(with_room([&] { return find_unknown(orders, direct); }));
    if (runs) fill_runs(n);
    const bool far = tables_.groups() * layout_.stride > kNearBytes;
    for (int64_t at = 0; at < n; at += TableSet::kSpan) {
      const int64_t next = std::min(n, at + 2 * TableSet::kSpan);
      for (const ArgumentRows& a : arguments_) ask_for(a, at + TableSet::kSpan, TableSet::kSpan);
      for (int64_t j = at + TableSet::kSpan; far && j < next; ++j) {
        for (int byte = 0; byte < layout_.stride; byte += kLine) __builtin_prefetch(rows_[static_cast<size_t>(j)] + byte, 1);
        __builtin_prefetch(rows_[static_cast<size_t>(j)] + layout_.stride - 1, 1);
      }
      const arrow::Status status = after(at, std::min(TableSet::kSpan, n - at), &progress);
      if (status.ok()) continue;
      ARROW_RETURN_NOT_OK(make_room_after(status, 0));
      done = at;
      break;
    }
    if (progress.complete()) {
      if (!direct && !runs) learn();
      return arrow::Status::OK();
    }
    // The rows went to disk half way: the rest goes the long way.
  }
  KeyBatch keys;
  ARROW_RETURN_NOT_OK(normaliser_.normalise(plan_.keys, keys_, n, plan_.waiting.get(), &keys));
  if (waiting_ && !keys.apart.bits && progress.complete()) return with_room([&] { return let_wait(keys, orders); });
  for (int64_t at = done; at < n; at += TableSet::kSpan) {
    const int64_t here = std::min(TableSet::kSpan, n - at);
    for (const ArgumentRows& a : arguments_) ask_for(a, at, here);
    for (int round = 0;; ++round) {
      ARROW_RETURN_NOT_OK(with_room([&] { return find_span(keys, nullptr, orders, at, here, rows_.data() + at); }));
      const arrow::Status status = after(at, here, &progress);
      if (status.ok()) break;
      ARROW_RETURN_NOT_OK(make_room_after(status, round));
    }
  }
  learn();
  waiting_ = may_wait_ && tables_.groups() * layout_.stride > kCachedBytes && (tables_.groups() - groups) * kRarelyNew > n;
  return arrow::Status::OK();
}

// The rows of a run have the group of its first.
void AggregateLocal::fill_runs(int64_t n) {
  for (size_t r = 0; r < starts_.size(); ++r) {
    const auto begin = rows_.begin() + starts_[r];
    std::fill(begin + 1, r + 1 < starts_.size() ? rows_.begin() + starts_[r + 1] : rows_.begin() + n, *begin);
  }
}

// Groups would be looked up where the caches do not reach, mostly in vain.
arrow::Status AggregateLocal::let_wait(const KeyBatch& keys, RowOrders orders) {
  std::vector<std::shared_ptr<arrow::ArrayData>> values;
  for (const ArgumentRows& a : arguments_) values.push_back(a.values);
  ARROW_ASSIGN_OR_RAISE(auto batch, put_off(plan_, keys, values, orders, plan_.waiting.get()));
  pending_bytes_ += batch->bytes;
  pending_rows_ += keys.n;
  pending_texts_ += batch->texts ? batch->texts->size() : 0;
  pending_.push_back(std::move(batch));
  // What they will take as groups counts, as if they were all new ones.
  constexpr int64_t kAlso = 64;
  const int64_t wanted = pending_rows_ * (layout_.stride + kAlso) + pending_texts_;
  if (pending_rows_ > kMostPending || wanted > share_of_limit(plan_.context)) may_wait_ = waiting_ = false;
  return arrow::Status::OK();
}

// A span that finds no memory for its groups is tried again after everything went to disk, and after others made room, without
// the lock: between spans nothing is half done. Groups it made before have no rows yet, which is no harm: they merge as nothing.
template <typename Find>
arrow::Status AggregateLocal::with_room(Find&& find) {
  constexpr int kMostRounds = 4;
  const auto refused = [](const arrow::Status& s) { return !s.ok() && base::error_kind(s) == base::ErrorKind::kMemory; };
  arrow::Status status = find();
  if (!refused(status)) return status;
  ARROW_RETURN_NOT_OK(spill_locked(std::numeric_limits<int64_t>::max()).status());
  status = find();
  for (int round = 0; round < kMostRounds && refused(status); ++round) {
    held_.unlock();
    const arrow::Status room = plan_.context.memory->ensure_headroom(kSpareHeadroom, "aggregation");
    held_.lock();
    if (!room.ok()) return refused(room) ? status : room;
    status = find();
  }
  return status;
}

// A function found no memory for what it keeps: the span's groups go to disk with what they have so far, and the rest of the
// span, from where `progress` says, finds or makes its groups anew.
arrow::Status AggregateLocal::make_room_after(const arrow::Status& refused, int round) {
  constexpr int kMostRounds = 4;
  if (base::error_kind(refused) != base::ErrorKind::kMemory || round > kMostRounds) return refused;
  ARROW_ASSIGN_OR_RAISE(const int64_t freed, spill_locked(std::numeric_limits<int64_t>::max()));
  if (freed > 0 && round == 0) return arrow::Status::OK();
  held_.unlock();
  const arrow::Status room = plan_.context.memory->ensure_headroom(kSpareHeadroom, "aggregation");
  held_.lock();
  if (room.ok()) return room;
  return base::error_kind(room) == base::ErrorKind::kMemory ? refused : room;
}

// What the direct map or the echo did not know goes the long way; the map remembers it.
arrow::Status AggregateLocal::find_unknown(RowOrders orders, bool remember) {
  if (spills_ != direct_spills_) {
    // The rows it knew are on disk.
    direct_spills_ = spills_;
    unknown_.resize(rows_.size());
    std::iota(unknown_.begin(), unknown_.end(), 0);
  }
  if (!remember) return find_the_long_way(unknown_, orders, false);
  // A few rows at a time: most of the next ones are of the groups these make. More where most are not.
  constexpr size_t kLeast = 256, kMost = 1024;
  size_t looked_up = 0, chunk = kLeast;
  std::vector<int32_t> still;
  for (size_t at = 0; at < unknown_.size();) {
    const size_t end = std::min(unknown_.size(), at + chunk);
    still.clear();
    for (size_t k = at; k < end; ++k) {
      const int32_t j = unknown_[k];
      uint8_t*& row = rows_[static_cast<size_t>(j)];
      row = direct_.row_of(j);
      if (row == nullptr) still.push_back(j);
    }
    ARROW_RETURN_NOT_OK(find_the_long_way(still, orders, true));
    looked_up += still.size();
    chunk = still.size() * 2 > end - at ? std::min(kMost, chunk * 2) : kLeast;
    at = end;
  }
  direct_.judge(static_cast<int64_t>(rows_.size()), static_cast<int64_t>(looked_up));
  return arrow::Status::OK();
}

arrow::Status AggregateLocal::find_the_long_way(std::span<const int32_t> which, RowOrders orders, bool remember) {
  if (which.empty()) return arrow::Status::OK();
  std::vector<column::Column> some;
  for (const auto& key : keys_) {
    ARROW_ASSIGN_OR_RAISE(column::Column c, column::take(key, which, plan_.waiting.get()));
    some.push_back(std::move(c));
  }
  const auto n = static_cast<int64_t>(which.size());
  KeyBatch keys;
  ARROW_RETURN_NOT_OK(normaliser_.normalise(plan_.keys, some, n, plan_.waiting.get(), &keys));
  uint8_t* found[TableSet::kSpan];
  for (int64_t at = 0; at < n; at += TableSet::kSpan) {
    const int64_t here = std::min(TableSet::kSpan, n - at);
    ARROW_RETURN_NOT_OK(find_span(keys, which.data(), orders, at, here, found));
    for (int64_t k = 0; k < here; ++k) {
      const int32_t j = which[static_cast<size_t>(at + k)];
      rows_[static_cast<size_t>(j)] = found[k];
      if (remember) direct_.remember(j, found[k]);
    }
  }
  return arrow::Status::OK();
}

// Keys begin .. begin + n; key k is row which[k] of the batch, or row k.
arrow::Status AggregateLocal::find_span(const KeyBatch& keys, const int32_t* which, RowOrders orders, int64_t begin, int64_t n,
                                        uint8_t** rows) {
  if (keys.apart.bits) return find_around_nulls(keys, which, orders, begin, n, rows);
  const auto order_of = [&](int64_t j) { return orders.at(which ? which[begin + j] : begin + j); };
  const uint64_t* const hashes = keys.hashes + begin;
  if (keys.blobs) return find_groups(layout_, BlobKeys{keys.blobs + begin, hashes}, hashes, n, &tables_, rows, order_of);
  uint16_t starts[TableSet::kSpan + 1];
  const int64_t runs = find_runs(keys.words, layout_.words, begin, n, starts);
  if (runs == 0) return find_word_groups(layout_, keys.words, begin, hashes, n, &tables_, rows, order_of);
  uint64_t first[RowLayout::kMaxWords][TableSet::kSpan];
  uint64_t first_hashes[TableSet::kSpan];
  const uint64_t* words[RowLayout::kMaxWords];
  for (int64_t r = 0; r < runs; ++r) {
    for (int w = 0; w < layout_.words; ++w) first[w][r] = keys.words[w][begin + starts[r]];
    first_hashes[r] = hashes[starts[r]];
  }
  for (int w = 0; w < RowLayout::kMaxWords; ++w) words[w] = first[w];
  uint8_t* found[TableSet::kSpan];
  ARROW_RETURN_NOT_OK(
      find_word_groups(layout_, words, 0, first_hashes, runs, &tables_, found, [&](int64_t r) { return order_of(starts[r]); }));
  starts[runs] = static_cast<uint16_t>(n);
  for (int64_t r = 0; r < runs; ++r) std::fill(rows + starts[r], rows + starts[r + 1], found[r]);
  return arrow::Status::OK();
}

// One word, and some keys null: those have a row of their own.
arrow::Status AggregateLocal::find_around_nulls(const KeyBatch& keys, const int32_t* which, RowOrders orders, int64_t begin, int64_t n,
                                                uint8_t** rows) {
  uint64_t words[TableSet::kSpan];
  uint64_t hashes[TableSet::kSpan];
  int64_t place[TableSet::kSpan];
  uint8_t* found[TableSet::kSpan];
  int64_t keyed = 0;
  GroupTable& table = tables_.table(0);
  for (int64_t k = 0; k < n; ++k) {
    const int64_t j = begin + k;
    if (keys.apart.valid(j)) {
      words[keyed] = keys.words[0][j];
      hashes[keyed] = keys.hashes[j];
      place[keyed++] = k;
      continue;
    }
    if (table.null_row == nullptr) {
      ARROW_ASSIGN_OR_RAISE(table.null_row, table.append());
      store<uint64_t>(table.null_row + layout_.order_offset, orders.at(which ? which[j] : j) | RowLayout::kNullKey);
    }
    rows[k] = table.null_row;
  }
  const uint64_t* const all = words;
  ARROW_RETURN_NOT_OK(find_groups(layout_, WordKeys<1>(&all, 0), hashes, keyed, &tables_, found, [&](int64_t i) {
    const int64_t j = begin + place[i];
    return orders.at(which ? which[j] : j);
  }));
  for (int64_t i = 0; i < keyed; ++i) rows[place[i]] = found[i];
  return arrow::Status::OK();
}

arrow::Status AggregateLocal::update_span(uint8_t* const* rows, RowOrders orders, int64_t begin, int64_t n, Progress* progress) {
  for (size_t& f = progress->function; f < plan_.functions.size(); ++f) {
    const ArgumentRows& a = arguments_[static_cast<size_t>(plan_.argument_of[f])];
    const int64_t seen = progress->seen;
    int64_t done = 0;
    const auto stopped = [&](const arrow::Status& status) {
      progress->seen = seen + done;
      progress->stopped = true;
      return status;
    };
    if (!a.filtered) {
      const arrow::Status status =
          plan_.functions[f]->update({rows + seen, a.values.get(), begin + seen, n - seen, orders, &tables_, &done});
      if (!status.ok()) return stopped(status);
      progress->seen = 0;
      continue;
    }
    uint8_t* some[TableSet::kSpan];
    const size_t from = fed_[f];
    size_t to = from;
    for (; to < a.places.size() && a.places[to] < begin + n; ++to) some[to - from] = rows[a.places[to] - begin];
    if (to == from) continue;
    const RowOrders filtered{orders.base, a.physical.empty() ? nullptr : a.physical.data()};
    const auto first = static_cast<int64_t>(from);
    const arrow::Status status = plan_.functions[f]->update(
        {some + seen, a.values.get(), first + seen, static_cast<int64_t>(to - from) - seen, filtered, &tables_, &done});
    if (!status.ok()) return stopped(status);
    fed_[f] = to;
    progress->seen = 0;
  }
  *progress = {};
  return arrow::Status::OK();
}

std::vector<PendingSlice> AggregateLocal::slices(int partition) const {
  std::vector<PendingSlice> out;
  const auto p = static_cast<size_t>(partition);
  for (const auto& batch : pending_) {
    const int32_t begin = batch->starts[p], n = batch->starts[p + 1] - begin;
    if (n > 0) out.push_back({batch, begin, n});
  }
  return out;
}

// Rows do not wait any more after this: memory is short.
arrow::Status AggregateLocal::spill_pending() {
  for (int p = 0; p < kPartitions; ++p) {
    ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, state_->spill_store.file());
    std::vector<GroupBlock> written;
    ARROW_RETURN_NOT_OK(write_pending(plan_, slices(p), *file, &written));
    state_->spill_store.count(written);
    auto& blocks = blocks_[static_cast<size_t>(p)];
    blocks.insert(blocks.end(), written.begin(), written.end());
  }
  pending_.clear();
  pending_rows_ = pending_bytes_ = pending_texts_ = 0;
  if (!plan_.context.spill_eagerly) may_wait_ = waiting_ = false;
  return arrow::Status::OK();
}

// Largest partitions first, and enough of them that blocks stay large.
arrow::Result<int64_t> AggregateLocal::spill_locked(int64_t bytes) {
  const int64_t goal = std::max(bytes, tables_.bytes() / 8);
  std::vector<int> order(static_cast<size_t>(tables_.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return tables_.table(a).bytes() > tables_.table(b).bytes(); });
  int64_t freed = 0;
  for (const int p : order) {
    GroupTable& table = tables_.table(p);
    if (freed >= goal || table.empty()) break;
    ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, state_->spill_store.file());
    std::vector<GroupBlock> written;
    ARROW_RETURN_NOT_OK(write_table(layout_, table, *file, &written));
    state_->spill_store.count(written);
    auto& blocks = blocks_[static_cast<size_t>(p)];
    blocks.insert(blocks.end(), written.begin(), written.end());
    freed += table.bytes();
    table.clear();
    tables_.refresh(p);
  }
  if (freed < goal && pending_bytes_ > 0) {
    freed += pending_bytes_;
    ARROW_RETURN_NOT_OK(spill_pending());
  }
  direct_.forget();
  echo_.forget();
  ++spills_;
  count_bytes();
  // Counted as free is not free while the allocator keeps it.
  if (freed > 0) plan_.pool()->ReleaseUnused();
  if (freed > 0) plan_.turns->progress();
  return freed;
}

}  // namespace gristmill::exec
