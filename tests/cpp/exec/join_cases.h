// Random joins and every way to run one, compared with nested loops.
#pragma once

#include "exec/join_driver.h"

namespace gristmill::exec::testing {

inline constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kSemi, JoinKind::kAnti, JoinKind::kRight, JoinKind::kFull};

inline std::vector<TypePtr> types_of(std::initializer_list<const char*> names) {
  std::vector<TypePtr> out;
  for (const char* n : names) out.push_back(ok(column::parse_type(n)));
  return out;
}

// Rows drawn from few values, so that there are matches and repeats.
class Cases {
 public:
  explicit Cases(uint64_t seed) : random_(seed) {}

  JoinCase make(JoinKind kind, const std::vector<TypePtr>& key_types, bool unique_right = false) {
    JoinCase c;
    c.kind = kind;
    c.nulls_equal = random_.chance(0.3);
    c.left_types = c.right_types = key_types;
    for (auto* types : {&c.left_types, &c.right_types}) {
      for (const char* t : {"int64", "string"}) types->push_back(ok(column::parse_type(t)));
    }
    std::vector<Column> values;
    const int64_t distinct = random_.pick<int64_t>({1, 4, 30, 200});
    for (const auto& t : key_types) values.push_back(distinct_values(t, distinct));
    c.left = side(c.left_types, values, random_.pick<int64_t>({0, 1, 50, 300}), false);
    c.right = side(c.right_types, values, random_.pick<int64_t>({0, 1, 50, 300}), unique_right);
    for (size_t k = 0; k < key_types.size(); ++k) {
      c.left_keys.push_back("l" + std::to_string(k));
      c.right_keys.push_back("r" + std::to_string(k));
    }
    const int width = static_cast<int>(c.left_types.size());
    std::vector<int> all;
    const bool both = kind != JoinKind::kSemi && kind != JoinKind::kAnti;
    for (int i = 0; i < (both ? 2 * width : width); ++i) all.push_back(i);
    for (int i : all) {
      if (i == width - 2 || i == 2 * width - 2 || random_.chance(0.6)) c.output.push_back(i);
    }
    return c;
  }

  RandomColumns& random() { return random_; }

 private:
  Column distinct_values(const TypePtr& type, int64_t n) {
    const Column many = random_.flat(type, n, 0);
    std::vector<int64_t> first;
    for (int64_t i = 0; i < n; ++i) {
      bool known = false;
      for (int64_t j : first) known |= column::equal_rows(many, i, many, j);
      if (!known) first.push_back(i);
    }
    if (first.empty()) first.push_back(0);
    return ok(column::take(many, std::span<const int64_t>(first), arrow::default_memory_pool()));
  }

  Column draw(const Column& values, int64_t rows, double null_share, bool unique, int64_t offset) {
    const int64_t n = values.values->length;
    std::vector<int64_t> at;
    for (int64_t i = 0; i < rows; ++i)
      at.push_back(random_.chance(null_share) ? column::kNullIndex : unique ? (offset + i) % n : random_.below(n));
    const auto id = column::physical_unchecked(*values.type());
    const bool can_be_dictionary = id != column::Physical::kNull && id != column::Physical::kBool && id != column::Physical::kNested &&
                                   !column::is_float(*values.type());
    if (random_.chance(0.1) && rows > 0 && !unique)
      return ok(column::take(Column::constant(ok(column::take(values, std::span<const int64_t>(at).first(1), pool())).values),
                             std::span<const int32_t>(zeros(rows)), pool()));
    if (!can_be_dictionary || random_.chance(0.6)) return ok(column::take(values, std::span<const int64_t>(at), pool()));
    // Entries shared between batches, sometimes the batch's own copy.
    const Column entries = random_.chance(0.5) ? values : ok(column::take(values, std::span<const int64_t>(ascending(n)), pool()));
    auto indices = ok(column::allocate_buffer(rows * 4, pool()));
    auto bits = ok(column::allocate_bits(rows, pool()));
    int64_t nulls = 0;
    for (int64_t i = 0; i < rows; ++i) {
      reinterpret_cast<int32_t*>(indices->mutable_data())[i] = static_cast<int32_t>(std::max<int64_t>(at[static_cast<size_t>(i)], 0));
      if (at[static_cast<size_t>(i)] < 0) {
        ++nulls;
      } else {
        bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
      }
    }
    return Column::dict(column::make_array(arrow::int32(), rows, nulls ? bits : nullptr, nulls, indices), entries.values);
  }

  std::vector<Batch> side(const std::vector<TypePtr>& types, const std::vector<Column>& values, int64_t rows, bool unique) {
    std::vector<Batch> out;
    int64_t number = 0;
    const double null_share = random_.chance(0.5) ? 0 : 0.15;
    while (rows > 0) {
      Batch b;
      b.rows = std::min(rows, 1 + random_.below(120));
      for (const auto& v : values) b.columns.push_back(draw(v, b.rows, null_share, unique, number));
      auto ids = ok(column::allocate_buffer(b.rows * 8, pool()));
      for (int64_t i = 0; i < b.rows; ++i) reinterpret_cast<int64_t*>(ids->mutable_data())[i] = number + i;
      b.columns.push_back(Column::flat(column::make_array(arrow::int64(), b.rows, nullptr, 0, ids)));
      b.columns.push_back(random_.column(types.back(), b.rows));
      b.selection = random_.selection(b.rows);
      number += b.rows;
      rows -= b.rows;
      out.push_back(std::move(b));
    }
    return out;
  }

  static arrow::MemoryPool* pool() { return arrow::default_memory_pool(); }
  static std::vector<int32_t> zeros(int64_t n) { return std::vector<int32_t>(static_cast<size_t>(n), 0); }
  static std::vector<int64_t> ascending(int64_t n) {
    std::vector<int64_t> v(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) v[static_cast<size_t>(i)] = i;
    return v;
  }

  RandomColumns random_;
};

// Which sides may be built: right; left; left, and nobody sees the order.
inline int ways_to_build(const JoinCase& c) {
  if (c.kind == JoinKind::kInner) return 3;
  if (c.kind != JoinKind::kSemi && c.kind != JoinKind::kAnti) return 1;
  return c.residual && ok(expr::fallible(c.residual, *pair_of(c))) ? 1 : 2;
}

// Rows of the side that is not built that go with a row of the other must pass.
inline void check_filters(const JoinCase& c, const JoinOutcome& got, bool build_left) {
  const std::vector<RowAt> built = live_rows(build_left ? c.left : c.right);
  for (const auto& [at, filter] : got.filters) {
    for (const Batch& b : build_left ? c.right : c.left) {
      column::Mask keep(b.rows, true);
      filter->narrow(b.columns[static_cast<size_t>(at)], b.rows, keep);
      for (uint16_t i : b.selection.indices(b.rows)) {
        const RowAt row{&b, i};
        const bool goes = std::any_of(built.begin(), built.end(),
                                      [&](const RowAt& o) { return build_left ? pair_matches(c, o, row) : pair_matches(c, row, o); });
        ASSERT_TRUE(keep.get(i) || !goes) << "a filter dropped row " << i << " of a batch";
      }
    }
  }
}

inline void check_every_way(const JoinCase& c, uint64_t seed, const Choose& choose = nullptr) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const std::vector<std::string> want = nested_loops(c, choose);
  const std::vector<std::string> unseen = c.kind == JoinKind::kInner ? right_rows_first(c) : want;
  RandomColumns random(seed + 77);
  for (int spill = 0; spill < 2; ++spill) {
    for (int side = 0; side < ways_to_build(c); ++side) {
      JoinRun run;
      run.workers = random.pick<int>({1, 2, 3, 8});
      run.seed = seed + static_cast<uint64_t>(spill);
      run.spill_eagerly = spill == 1;
      run.build_left = side > 0;
      run.ordered = side < 2;
      run.batch_rows = random.pick<int64_t>({1, 7, 64, 8192});
      run.morsel_batches = random.pick<int64_t>({1, 3});
      SCOPED_TRACE("workers " + std::to_string(run.workers) + " spill " + std::to_string(spill) + " side " + std::to_string(side) +
                   " batch_rows " + std::to_string(run.batch_rows));
      const JoinOutcome got = run_join(c, run);
      ASSERT_TRUE(got.status.ok()) << got.status.ToString();
      ASSERT_EQ(got.rows, run.ordered ? want : unseen);
      check_filters(c, got, run.build_left);
      if (::testing::Test::HasFatalFailure()) return;
      const bool rows_to_build = !live_rows(run.build_left ? c.left : c.right).empty();
      if (!c.nulls_equal) continue;  // rows with null keys are not kept
      EXPECT_EQ(got.spilled, spill == 1 && rows_to_build);
    }
  }
}

}  // namespace gristmill::exec::testing
