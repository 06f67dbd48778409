// Each worker keeps candidates and prunes them to n whenever they are many; the n-th smallest prefix that any worker has seen
// bounds the prefixes worth keeping for all, so most rows are refused by one comparison.
//
// The bound only ever refuses rows strictly behind n others, so which worker saw what never matters. Memory is n rows a worker
// and a little more; nothing spills.

#include "exec/top_n.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include <arrow/buffer.h>

#include "column/kernels.h"
#include "column/simd/dispatch.h"
#include "exec/evaluate_all.h"
#include "exec/sort_chunk.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kSlackRows = 16384;  // candidates beyond n before pruning
constexpr size_t kSpareBounds = 1024;  // prefixes beyond n before the bound is looked at again

struct Shared {
  SortSpec spec;
  std::vector<int> keys;
  std::vector<expr::BoundPtr> computed;
  QueryContext context;
  std::atomic<uint64_t> bound{std::numeric_limits<uint64_t>::max()};  // rows with a greater prefix are not among the first n
  std::vector<SortChunk> chunks;

  // The first n of the chunks as one chunk with explicit orders.
  arrow::Result<SortChunk> prune(std::vector<SortChunk> all) {
    ARROW_ASSIGN_OR_RAISE(std::vector<RowRef> refs, sort_chunks(all, spec.order, context.pool()));
    if (static_cast<int64_t>(refs.size()) > *spec.top) refs.resize(static_cast<size_t>(*spec.top));
    std::vector<const column::Batch*> parts;
    for (const auto& c : all) parts.push_back(&c.rows);
    SortChunk out;
    ARROW_ASSIGN_OR_RAISE(out.rows, gather_rows(parts, refs, context.pool()));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> orders,
                          arrow::AllocateBuffer(static_cast<int64_t>(refs.size()) * 8, context.pool()));
    auto* o = reinterpret_cast<uint64_t*>(orders->mutable_data());
    for (size_t i = 0; i < refs.size(); ++i) o[i] = all[refs[i].chunk].order(refs[i].row);
    out.orders = std::move(orders);
    for (auto& c : out.rows.columns) {
      ARROW_ASSIGN_OR_RAISE(c, column::compact_views(c, out.rows.rows, context.pool()));
    }
    for (int k : keys) {
      if (!out.rows.columns.empty()) out.keys.push_back(out.rows.columns[static_cast<size_t>(k)]);
    }
    if (out.rows.rows > 0) ARROW_RETURN_NOT_OK(encode_chunk(out, spec.order, context.pool()));
    return out;
  }
};

struct TopLocal final : LocalState {
  explicit TopLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
  std::vector<SortChunk> chunks;
  int64_t rows = 0;
  std::vector<uint64_t> smallest;  // of the prefixes seen: the n smallest and a few more
};

// All rows of `prefixes` that are not beyond `bound`.
column::Mask within(const uint64_t* prefixes, int64_t rows, uint64_t bound) {
  column::Mask keep(rows, false);
  namespace simd = column::simd;
  simd::kernels().compare_const[simd::kU64][simd::kLe](prefixes, &bound, rows, keep.words.data());
  return keep;
}

class TopSink final : public Sink {
 public:
  explicit TopSink(std::shared_ptr<Shared> s) : s_(std::move(s)) {}
  std::string name() const override { return "top " + std::to_string(*s_->spec.top) + " by " + s_->spec.label; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override {
    return std::make_unique<TopLocal>(context.pool());
  }

  arrow::Status consume(column::Batch batch, Position position, LocalState& state) override {
    auto& local = state.as<TopLocal>();
    arrow::MemoryPool* pool = local.evaluator.pool();
    ARROW_ASSIGN_OR_RAISE(auto computed, evaluate_all(local.evaluator, s_->computed, batch));
    for (auto& k : computed) batch.columns.push_back(std::move(k));
    if (*s_->spec.top == 0) return arrow::Status::OK();
    // Prefixes of all rows, then only those that may still matter are copied.
    SortChunk all;
    all.rows = batch;
    for (int k : s_->keys) all.keys.push_back(batch.columns[static_cast<size_t>(k)]);
    ARROW_RETURN_NOT_OK(encode_chunk(all, s_->spec.order, pool));
    const uint64_t bound = s_->bound.load(std::memory_order_relaxed);
    batch.selection = batch.selection.intersect(within(all.prefix(), batch.rows, bound));
    const uint64_t closer = tighten(local, all.prefix(), batch);
    if (closer < bound) batch.selection = batch.selection.intersect(within(all.prefix(), batch.rows, closer));
    const auto kept = batch.selection.indices(batch.rows);
    if (kept.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> orders, arrow::AllocateBuffer(static_cast<int64_t>(kept.size()) * 8, pool));
    auto* o = reinterpret_cast<uint64_t*>(orders->mutable_data());
    for (size_t i = 0; i < kept.size(); ++i) o[i] = position.order + kept[i];
    SortChunk chunk;
    chunk.orders = std::move(orders);
    ARROW_ASSIGN_OR_RAISE(chunk.rows, column::compact(std::move(batch), pool));
    for (int k : s_->keys) chunk.keys.push_back(chunk.rows.columns[static_cast<size_t>(k)]);
    ARROW_RETURN_NOT_OK(encode_chunk(chunk, s_->spec.order, pool));
    local.rows += chunk.rows.rows;
    local.chunks.push_back(std::move(chunk));
    return local.rows > *s_->spec.top + std::max(kSlackRows, *s_->spec.top) ? prune(local) : arrow::Status::OK();
  }

  arrow::Status combine(LocalState& state) override {
    auto& local = state.as<TopLocal>();
    for (auto& c : local.chunks) s_->chunks.push_back(std::move(c));
    return arrow::Status::OK();
  }

  arrow::Status finalize() override {
    if (s_->chunks.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(SortChunk first, s_->prune(std::move(s_->chunks)));
    s_->chunks.clear();
    if (first.rows.rows > 0) s_->chunks.push_back(std::move(first));
    return arrow::Status::OK();
  }

 private:
  // With n rows seen at or before it, the n-th smallest prefix is a bound for everybody.
  uint64_t tighten(TopLocal& local, const uint64_t* prefixes, const column::Batch& batch) {
    const auto n = static_cast<size_t>(*s_->spec.top);
    for (uint16_t i : batch.selection.indices(batch.rows)) local.smallest.push_back(prefixes[i]);
    if (local.smallest.size() < n + std::min(n, kSpareBounds)) return s_->bound.load(std::memory_order_relaxed);
    std::nth_element(local.smallest.begin(), local.smallest.begin() + static_cast<std::ptrdiff_t>(n - 1), local.smallest.end());
    local.smallest.resize(n);
    return lower_bound_to(local.smallest[n - 1]);
  }

  uint64_t lower_bound_to(uint64_t prefix) {
    uint64_t seen = s_->bound.load();
    while (prefix < seen && !s_->bound.compare_exchange_weak(seen, prefix)) {
    }
    return std::min(prefix, seen);
  }

  arrow::Status prune(TopLocal& local) {
    ARROW_ASSIGN_OR_RAISE(SortChunk first, s_->prune(std::move(local.chunks)));
    local.chunks.clear();
    local.rows = first.rows.rows;
    lower_bound_to(first.prefix()[first.rows.rows - 1]);
    local.chunks.push_back(std::move(first));
    return arrow::Status::OK();
  }

  std::shared_ptr<Shared> s_;
};

class TopSource final : public Source {
 public:
  explicit TopSource(std::shared_ptr<Shared> s) : s_(std::move(s)) {}
  std::string name() const override { return "top rows"; }
  arrow::Result<int64_t> start(const QueryContext&) override { return s_->chunks.empty() ? 0 : 1; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }
  arrow::Status read(uint64_t, LocalState&, const Emit& emit, RowCounts& counts) override {
    column::Batch all;
    all.rows = s_->chunks[0].rows.rows;
    const auto& columns = s_->chunks[0].rows.columns;
    all.columns.assign(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(s_->spec.types.size()));
    for (int64_t at = 0; at < all.rows; at += s_->context.batch_rows) {
      column::Batch part = column::slice(all, at, std::min(s_->context.batch_rows, all.rows - at));
      counts.in += part.rows;
      ARROW_RETURN_NOT_OK(emit(std::move(part)));
    }
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<Shared> s_;
};

}  // namespace

arrow::Result<Breaker> make_top_n(SortSpec spec, const QueryContext& context) {
  auto s = std::make_shared<Shared>();
  s->context = context;
  int next = static_cast<int>(spec.types.size());
  for (const auto& k : spec.keys) {
    if (k->kind == expr::BoundKind::kInput) {
      s->keys.push_back(k->input);
    } else {
      s->keys.push_back(next++);
      s->computed.push_back(k);
    }
  }
  s->spec = std::move(spec);
  Breaker b;
  b.sink = std::make_shared<TopSink>(s);
  b.source = std::make_shared<TopSource>(s);
  return b;
}

}  // namespace gristmill::exec
