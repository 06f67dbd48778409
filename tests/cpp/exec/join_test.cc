// Hash joins against nested loops: every kind, key types, encodings, selections, worker counts, batch sizes, colliding hashes,
// spilled or not, either side built. The output must be the same rows in the same order.

#include "exec/join_cases.h"

namespace gristmill::exec::testing {
namespace {

const std::vector<std::vector<TypePtr>>& key_sets() {
  static const std::vector<std::vector<TypePtr>> sets = {
      types_of({"int8"}),
      types_of({"int16"}),
      types_of({"int32"}),
      types_of({"int64"}),
      types_of({"uint8"}),
      types_of({"uint32"}),
      types_of({"uint64"}),
      types_of({"float32"}),
      types_of({"float64"}),
      types_of({"decimal(9,2)"}),
      types_of({"decimal(38,4)"}),
      types_of({"string"}),
      types_of({"binary"}),
      types_of({"bool"}),
      types_of({"date"}),
      types_of({"timestamp(us)"}),
      types_of({"time"}),
      types_of({"null"}),
      types_of({"int32", "int32"}),
      types_of({"int64", "int64"}),
      types_of({"string", "int64"}),
      types_of({"date", "bool", "int16"}),
      types_of({"int64", "string", "float64"}),
      types_of({"decimal(20,3)", "int8"}),
      types_of({"int64", "int64", "int64"}),
      types_of({"float32", "float64"}),
      types_of({"list<int64>"}),
  };
  return sets;
}

TEST(Join, GivesTheRowsOfNestedLoopsForEveryKeyType) {
  uint64_t seed = 1;
  for (const auto& keys : key_sets()) {
    for (JoinKind kind : kKinds) {
      for (int round = 0; round < 4; ++round, ++seed) {
        Cases cases(seed);
        SCOPED_TRACE("keys of " + column::type_text(*keys[0]) + " and " + std::to_string(keys.size() - 1) + " more, kind " +
                     std::to_string(static_cast<int>(kind)));
        const JoinCase c = cases.make(kind, keys, round == 3);
        check_every_way(c, seed);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(Join, IsRightWhenAllHashesAreEqual) {
  column::force_constant_hash(0x1234567890abcdef);
  uint64_t seed = 5000;
  for (const auto& keys : key_sets()) {
    for (JoinKind kind : kKinds) {
      Cases cases(seed);
      check_every_way(cases.make(kind, keys), seed++);
      if (::testing::Test::HasFatalFailure()) break;
    }
  }
  column::force_constant_hash(0);
}

}  // namespace
}  // namespace gristmill::exec::testing
