// Drawing a query, and the sequential model of it.

#include "sched/model_spec.h"

#include <random>
#include <sstream>

namespace gristmill::sched::model {
namespace {

// Draws with plain modulo so that a seed means the same query with every standard library.
struct Dice {
  std::mt19937_64 random;
  uint64_t below(uint64_t n) { return random() % n; }
  bool percent(int p) { return static_cast<int>(below(100)) < p; }
  int some_percent() { return percent(50) ? 0 : static_cast<int>(below(100)); }
};

void draw_ops(Dice& dice, Pipeline& p, bool may_fail) {
  const uint64_t n = dice.below(4);
  for (uint64_t i = 0; i < n; ++i) {
    switch (dice.below(3)) {
      case 0: p.ops.push_back({OpKind::kAffine, static_cast<int64_t>(1 + dice.below(5)), static_cast<int64_t>(dice.below(100))}); break;
      case 1: p.ops.push_back({OpKind::kKeep, static_cast<int64_t>(2 + dice.below(4)), 0}); break;
      default: p.ops.push_back({OpKind::kExplode, static_cast<int64_t>(2 + dice.below(3)), 0}); break;
    }
  }
  if (may_fail && dice.percent(25)) {
    const auto at = p.ops.begin() + static_cast<int64_t>(dice.below(p.ops.size() + 1));
    p.ops.insert(at, {OpKind::kFailOn, static_cast<int64_t>(3 + dice.below(60)), static_cast<int64_t>(dice.below(3))});
  }
}

void draw_sink(Dice& dice, Pipeline& p, SinkKind sink) {
  p.sink = sink;
  p.sink_waits = dice.some_percent();
  if (sink == SinkKind::kOrdered) {
    p.ring_window = 1 + dice.below(12);
    p.byte_cap = dice.percent(50) ? static_cast<int64_t>(dice.below(200)) : int64_t{1} << 20;
    if (dice.percent(25)) p.limit = dice.below(40);
  } else if (sink == SinkKind::kAsync) {
    p.window_rows = static_cast<int64_t>(1 + dice.below(30));
    p.window_bytes = dice.percent(30) ? static_cast<int64_t>(1 + dice.below(100)) : int64_t{1} << 20;
    if (dice.percent(20)) p.rows_per_second = 20'000 + static_cast<double>(dice.below(1'000'000));
    p.call_sync = dice.some_percent();
    if (dice.percent(15)) p.call_fails_per_mille = static_cast<int>(dice.below(200));
  }
}

Pipeline draw_pipeline(Dice& dice) {
  Pipeline p;
  p.seed = dice.random();
  p.morsels = dice.percent(10) ? 0 : dice.below(24);
  p.rows = 1 + dice.below(12);
  p.batch_rows = 1 + dice.below(6);
  p.known_count = dice.percent(60);
  if (dice.percent(30)) p.max_slots = static_cast<int>(1 + dice.below(3));
  p.source_waits = dice.some_percent();
  if (dice.percent(15)) p.nested_queries = static_cast<int>(dice.below(20));
  return p;
}

// One morsel of input, as the pipeline sees it: rows, or a failed call.
using Morsels = std::vector<std::optional<std::vector<int64_t>>>;

Morsels input_of(const Spec& spec, const Pipeline& p, const Expected& sofar, const std::vector<Morsels>& offered) {
  Morsels morsels;
  if (p.source == SourceKind::kWindow) return offered[static_cast<size_t>(p.inputs[0])];
  if (p.source == SourceKind::kGenerated) {
    for (uint64_t seq = 0; seq < p.morsels; ++seq) {
      std::vector<int64_t> rows;
      for (uint64_t i = 0; i < generated_rows(p, seq); ++i) rows.push_back(generated_row(p, seq, i));
      morsels.emplace_back(std::move(rows));
    }
    return morsels;
  }
  std::vector<int64_t> all;
  for (int input : p.inputs) {
    const auto& rows = sofar.outputs[static_cast<size_t>(input)];
    all.insert(all.end(), rows.begin(), rows.end());
  }
  for (size_t at = 0; at < all.size(); at += p.rows) {
    morsels.emplace_back(std::vector<int64_t>(all.begin() + static_cast<int64_t>(at),
                                              all.begin() + static_cast<int64_t>(std::min(all.size(), at + p.rows))));
  }
  return morsels;
}

}  // namespace

uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t generated_rows(const Pipeline& p, uint64_t seq) { return mix(p.seed, seq) % (p.rows + 1); }

int64_t generated_row(const Pipeline& p, uint64_t seq, uint64_t i) { return static_cast<int64_t>(mix(mix(p.seed, seq), i + 1) % 10'000); }

bool apply(const Pipeline& p, int64_t value, std::vector<int64_t>* out) {
  std::vector<int64_t> now{value};
  for (const Op& op : p.ops) {
    std::vector<int64_t> next;
    for (int64_t v : now) {
      switch (op.kind) {
        case OpKind::kAffine: next.push_back((v * op.a + op.b) % 1'000'003); break;
        case OpKind::kKeep:
          if (v % op.a != 0) next.push_back(v);
          break;
        case OpKind::kExplode:
          for (int64_t i = 0; i < v % op.a + 1; ++i) next.push_back(v + i);
          break;
        case OpKind::kFailOn:
          if (v % (op.a * 7) == op.b) return false;
          next.push_back(v);
          break;
      }
    }
    now = std::move(next);
  }
  out->insert(out->end(), now.begin(), now.end());
  return true;
}

std::optional<std::vector<int64_t>> answer(const Pipeline& p, uint64_t seq, const std::vector<int64_t>& rows) {
  if (static_cast<int>(mix(p.seed, seq + 991) % 1000) < p.call_fails_per_mille) return std::nullopt;
  std::vector<int64_t> out;
  for (int64_t v : rows) out.push_back(v * 3 + 1);
  return out;
}

std::string row_error(int pipeline, uint64_t seq, int64_t row) {
  return "pipeline " + std::to_string(pipeline) + ", morsel " + std::to_string(seq) + ", row " + std::to_string(row);
}

std::string step_error(int pipeline) { return "step error in pipeline " + std::to_string(pipeline); }

Spec random_spec(uint64_t seed) {
  Dice dice{std::mt19937_64(seed * 2 + 1)};
  Spec spec;
  spec.seed = seed;
  std::vector<int> breakers;  // not read by anybody yet
  const uint64_t wanted = 1 + dice.below(5);
  int step_error = dice.percent(8) ? static_cast<int>(dice.below(wanted)) : -1;
  while (spec.pipelines.size() < wanted || spec.pipelines.back().sink == SinkKind::kAsync) {
    const int index = static_cast<int>(spec.pipelines.size());
    Pipeline p = draw_pipeline(dice);
    const bool joined = index > 0 && spec.pipelines.back().sink == SinkKind::kAsync;
    if (joined) {
      p.source = SourceKind::kWindow;
      p.inputs = {index - 1};
    } else if (!breakers.empty() && dice.percent(70)) {
      p.source = SourceKind::kBreakers;
      p.inputs = {breakers.back()};
      breakers.pop_back();
      if (!breakers.empty() && dice.percent(50)) p.inputs.push_back(breakers.front());
    }
    const bool unordered = joined && !spec.pipelines.back().window_ordered;
    const bool may_go_on = index < 7;
    const uint64_t kind = dice.below(3);
    // Numbers out of order would fill a ring's window, so they go to a breaker.
    draw_sink(dice, p,
              unordered                 ? SinkKind::kBreaker
              : kind == 0               ? SinkKind::kOrdered
              : kind == 1 || !may_go_on ? SinkKind::kBreaker
                                        : SinkKind::kAsync);
    if (p.sink == SinkKind::kAsync && dice.percent(30)) p.window_ordered = false;
    p.range_claims = p.sink == SinkKind::kBreaker && p.known_count && dice.percent(70);
    if (index == step_error && !p.limit && !(joined && spec.pipelines.back().call_fails_per_mille > 0)) {
      draw_ops(dice, p, false);
      p.step_error_at = dice.below(12);
    } else {
      draw_ops(dice, p, true);
    }
    if (index > 0 && !joined && dice.percent(20)) {
      const int other = static_cast<int>(dice.below(static_cast<uint64_t>(index)));
      p.also_after.push_back(other);
    }
    if (p.sink == SinkKind::kBreaker) breakers.push_back(index);
    spec.pipelines.push_back(std::move(p));
  }
  if (dice.percent(20)) spec.cancel_at_step = dice.below(200);
  return spec;
}

Expected run_sequentially(const Spec& spec) {
  Expected expected;
  std::vector<Morsels> offered(spec.pipelines.size());
  for (size_t k = 0; k < spec.pipelines.size(); ++k) {
    const Pipeline& p = spec.pipelines[k];
    const Morsels morsels = input_of(spec, p, expected, offered);
    std::vector<int64_t> output;
    bool stopped = p.limit && *p.limit == 0;  // seen when something is flushed
    for (uint64_t seq = 0; seq < morsels.size() && !stopped && expected.failed < 0; ++seq) {
      std::vector<int64_t> rows;
      int64_t failed_row = -2;
      if (p.step_error_at == seq) {
        expected.failed = static_cast<int>(k);
        expected.message = step_error(static_cast<int>(k));
        break;
      }
      if (!morsels[seq]) failed_row = -1;
      for (size_t i = 0; morsels[seq] && i < morsels[seq]->size() && failed_row == -2; ++i) {
        if (!apply(p, (*morsels[seq])[i], &rows)) failed_row = static_cast<int64_t>(i);
      }
      for (int64_t v : rows) {
        if (p.limit && output.size() == *p.limit) break;
        output.push_back(v);
      }
      stopped = p.limit && output.size() == *p.limit;
      if (failed_row >= -1 && !stopped) {
        expected.failed = static_cast<int>(k);
        expected.message = row_error(static_cast<int>(k), seq, failed_row);
        expected.failed_prefix = output;
      }
      if (p.sink == SinkKind::kAsync) offered[k].push_back(answer(p, seq, rows));
    }
    if (expected.failed >= 0) return expected;
    expected.outputs.push_back(std::move(output));
  }
  return expected;
}

std::string Spec::describe() const {
  std::ostringstream out;
  for (size_t k = 0; k < pipelines.size(); ++k) {
    const Pipeline& p = pipelines[k];
    static constexpr const char* kSources[] = {"generated", "breakers", "window"};
    static constexpr const char* kSinks[] = {"ordered", "breaker", "async"};
    out << "  " << k << ": " << kSources[static_cast<int>(p.source)] << " -> " << kSinks[static_cast<int>(p.sink)] << ", " << p.morsels
        << " morsels";
    for (int i : p.inputs) out << ", reads " << i;
    for (int i : p.also_after) out << ", after " << i;
    if (p.limit) out << ", limit " << *p.limit;
    if (p.step_error_at) out << ", step error at " << *p.step_error_at;
    if (p.sink == SinkKind::kOrdered) out << ", ring " << p.ring_window << ", cap " << p.byte_cap;
    if (p.sink == SinkKind::kAsync)
      out << ", window " << p.window_rows << (p.window_ordered ? " ordered" : " unordered") << ", rate " << p.rows_per_second;
    out << "\n";
  }
  if (cancel_at_step) out << "  cancelled at step " << *cancel_at_step << "\n";
  return out.str();
}

}  // namespace gristmill::sched::model
