// States full of fixed-point limbs, the wide sums of the groups that need them, and the closing formulas.

#include "column/exact_moments.h"

#include <cmath>
#include <limits>

#include "column/exact_block.h"
#include "column/exact_limbs.h"
#include "column/exact_number.h"

namespace gristmill::column {

using namespace limbs;  // NOLINT: this file is their one user

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void append_count(int64_t count, std::vector<uint8_t>* out) {
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<uint8_t>(static_cast<uint64_t>(count) >> (8 * i)));
}

}  // namespace

template <int K>
void GroupMoments<K>::add(const uint32_t* groups, const std::array<const double*, K>& x, const uint8_t* validity, int64_t validity_offset,
                          int64_t n) {
  const ExactKernels& kernels = exact_kernels();
  uint16_t outside[kExactBlock];
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    const double* columns[K];
    int exponents[K];
    for (int v = 0; v < K; ++v) {
      columns[v] = x[v] + first;
      exponents[v] = units_[v].exponent();
    }
    int count;
    if constexpr (K == 1) {
      count = kernels.moments_of_one(states_.data(), groups + first, columns, valid, rows, exponents, outside);
    } else {
      count = kernels.moments_of_two(states_.data(), groups + first, columns, valid, rows, exponents, outside);
    }
    for (int k = 0; k < count; ++k) {
      Row row;
      for (int v = 0; v < K; ++v) row[v] = columns[v][outside[k]];
      add_one(groups[first + outside[k]], row);
    }
    if (is_misfit(count, rows)) reconsider_units(columns, valid, rows);
  });
}

template <int K>
void GroupMoments<K>::reconsider_units(const double* const* x, const uint64_t* valid, int n) {
  if (reconsidered_ == kMostReconsiderations) return;
  ++reconsidered_;
  Units better;
  for (int v = 0; v < K; ++v) {
    double sample[kExactBlock];
    const int count = gather_valid(x[v], valid, n, sample);
    better[v] = units_[v].reconsidered({sample, static_cast<size_t>(count)});
  }
  if (better != units_) change_units(better);
}

template <int K>
void GroupMoments<K>::change_units(const Units& better) {
  std::array<int, kParts> old_exponents;
  for (int p = 0; p < kParts; ++p) old_exponents[p] = part_exponent(p);
  units_ = better;
  for (uint32_t group = 0; group < states_.size(); ++group) {
    const State old = states_[group];
    states_[group] = State{};
    states_[group].count = old.count;
    for (int p = 0; p < kParts; ++p) {
      Limb limbs[4];
      const int count = part_limbs<K>(old, p, limbs);
      WideSum sum;
      sum.add_scaled(limbs, count, old_exponents[p]);
      if (!sum.is_zero()) add_part(group, p, sum);
    }
  }
  // Wide sums that the new units can hold go back into their states.
  std::unordered_map<uint32_t, Wide> wides;
  wides.swap(wides_);
  wide_bytes_ = 0;
  for (const auto& [group, wide] : wides) {
    for (int p = 0; p < kParts; ++p) {
      if (!wide.part[p].is_zero()) add_part(group, p, wide.part[p]);
    }
  }
}

template <int K>
bool GroupMoments<K>::add_fitting(State& state, const Row& row, bool negated) const {
  WindowValue values[K];
  for (int v = 0; v < K; ++v) {
    if (!window_value(units_[v], row[v], &values[v])) return false;
    if (nearly_full(static_cast<uint64_t>(state.sum[v] >> 64))) return false;
  }
  for (int p = 0; p < kProducts; ++p) {
    if (nearly_full(state.product[p][3])) return false;
  }
  // With that room nothing below can overflow.
  Limb limbs[4];
  for (int v = 0; v < K; ++v) {
    const WindowValue& a = values[v];
    shifted_limbs(a.magnitude, a.shift, a.negative != negated, limbs, 2);
    add_to_part<K>(state, v, limbs);
    for (int w = 0; w <= v; ++w) {
      const WindowValue& b = values[w];
      const bool negative = (a.negative != b.negative) != negated;
      shifted_limbs(Unsigned128{a.magnitude} * b.magnitude, a.shift + b.shift, negative, limbs, 4);
      add_to_part<K>(state, product_part(v, w), limbs);
    }
  }
  return true;
}

template <int K>
void GroupMoments<K>::change_one(uint32_t group, const Row& row, bool subtract) {
  State& state = states_[group];
  state.count += subtract ? -1 : 1;
  if (add_fitting(state, row, subtract)) return;
  State fresh{};
  if (!add_fitting(fresh, row, subtract)) return change_wide(group, row, subtract);
  empty_into_wide(group);  // the row fits, but the state is nearly full
  add_fitting(state, row, subtract);
}

template <int K>
void GroupMoments<K>::change_wide(uint32_t group, const Row& row, bool subtract) {
  update_wide(group, [&](Wide& wide) {
    for (int v = 0; v < K; ++v) {
      subtract ? wide.part[v].subtract(row[v]) : wide.part[v].add(row[v]);
      for (int w = 0; w <= v; ++w) {
        if (!std::isfinite(row[v]) || !std::isfinite(row[w])) continue;  // the sums know of it
        WideSum& product = wide.part[product_part(v, w)];
        subtract ? product.subtract_product(row[v], row[w]) : product.add_product(row[v], row[w]);
      }
    }
  });
}

template <int K>
void GroupMoments<K>::add_one(uint32_t group, const Row& row) {
  change_one(group, row, false);
}

template <int K>
void GroupMoments<K>::subtract_one(uint32_t group, const Row& row) {
  change_one(group, row, true);
}

template <int K>
void GroupMoments<K>::empty_into_wide(uint32_t group) {
  State& state = states_[group];
  update_wide(group, [&](Wide& wide) {
    for (int p = 0; p < kParts; ++p) {
      Limb limbs[4];
      const int count = part_limbs<K>(state, p, limbs);
      wide.part[p].add_scaled(limbs, count, part_exponent(p));
    }
  });
  const int64_t count = state.count;
  state = State{};
  state.count = count;
}

template <int K>
void GroupMoments<K>::merge_group(uint32_t group, const GroupMoments& other, uint32_t other_group) {
  const State& source = other.states_[other_group];
  states_[group].count += source.count;
  for (int p = 0; p < kParts; ++p) {
    Limb limbs[4];
    const int count = part_limbs<K>(source, p, limbs);
    if (other.part_exponent(p) == part_exponent(p) && add_to_part<K>(states_[group], p, limbs)) continue;
    WideSum sum;
    sum.add_scaled(limbs, count, other.part_exponent(p));
    add_part(group, p, sum);
  }
  if (const Wide* wide = other.find_wide(other_group); wide != nullptr) {
    update_wide(group, [&](Wide& mine) {
      for (int p = 0; p < kParts; ++p) mine.part[p].merge(wide->part[p]);
    });
  }
}

template <int K>
void GroupMoments<K>::add_part(uint32_t group, int part, const WideSum& sum) {
  Limb limbs[4];
  if (sum.is_finite() && exact_fixed_point(sum.number(), part_exponent(part), limbs, part < K ? 2 : 4) &&
      add_to_part<K>(states_[group], part, limbs)) {
    return;
  }
  update_wide(group, [&](Wide& wide) { wide.part[part].merge(sum); });
}

template <int K>
void GroupMoments<K>::clear_group(uint32_t group) {
  states_[group] = State{};
  if (find_wide(group) == nullptr) return;
  update_wide(group, [](Wide& wide) { wide = Wide{}; });
  wide_bytes_ -= static_cast<int64_t>(sizeof(Wide) + 5 * sizeof(void*));
  wides_.erase(group);
}

template <int K>
template <class Change>
void GroupMoments<K>::update_wide(uint32_t group, Change change) {
  const auto [entry, inserted] = wides_.try_emplace(group);
  Wide& wide = entry->second;
  if (inserted) wide_bytes_ += static_cast<int64_t>(sizeof(Wide) + 5 * sizeof(void*));
  for (const WideSum& part : wide.part) wide_bytes_ -= part.heap_bytes();
  change(wide);
  for (const WideSum& part : wide.part) wide_bytes_ += part.heap_bytes();
}

template <int K>
const typename GroupMoments<K>::Wide* GroupMoments<K>::find_wide(uint32_t group) const {
  if (wides_.empty()) return nullptr;
  const auto entry = wides_.find(group);
  return entry == wides_.end() ? nullptr : &entry->second;
}

template <int K>
int64_t GroupMoments<K>::bytes() const {
  return static_cast<int64_t>(states_.capacity() * sizeof(State)) + wide_bytes_;
}

// The count (8), then the canonical form of each part.
template <int K>
void GroupMoments<K>::append_bytes(uint32_t group, std::vector<uint8_t>* out) const {
  append_count(states_[group].count, out);
  for (int p = 0; p < kParts; ++p) part_sum(group, p).append_bytes(out);
}

template <int K>
bool GroupMoments<K>::read_into(uint32_t group, std::span<const uint8_t>* in) {
  if (in->size() < 8) return false;
  uint64_t count = 0;
  for (int i = 0; i < 8; ++i) count |= uint64_t{(*in)[i]} << (8 * i);
  *in = in->subspan(8);
  for (int p = 0; p < kParts; ++p) {
    const std::optional<WideSum> sum = WideSum::read(in);
    if (!sum) return false;
    add_part(group, p, *sum);
  }
  states_[group].count += static_cast<int64_t>(count);
  return true;
}

template <int K>
int GroupMoments<K>::part_exponent(int part) const {
  if (part < K) return units_[part].exponent();
  return part == K       ? 2 * units_[0].exponent()
         : part == K + 2 ? 2 * units_[K - 1].exponent()
                         : units_[0].exponent() + units_[K - 1].exponent();
}

template <int K>
WideSum GroupMoments<K>::part_sum(uint32_t group, int part) const {
  const Wide* wide = find_wide(group);
  WideSum sum = wide == nullptr ? WideSum() : wide->part[part];
  Limb limbs[4];
  const int count = part_limbs<K>(states_[group], part, limbs);
  sum.add_scaled(limbs, count, part_exponent(part));
  return sum;
}

template <int K>
bool GroupMoments<K>::is_finite(uint32_t group, int v) const {
  const Wide* wide = find_wide(group);
  return wide == nullptr || wide->part[v].is_finite();
}

template <int K>
ExactNumber GroupMoments<K>::number(uint32_t group, int part) const {
  Limb limbs[4];
  const int count = part_limbs<K>(states_[group], part, limbs);
  const ExactNumber fixed = exact_number(limbs, count, part_exponent(part));
  const Wide* wide = find_wide(group);
  return wide == nullptr ? fixed : exact_add(fixed, wide->part[part].number());
}

template <int K>
ExactNumber GroupMoments<K>::centred(uint32_t group, int v, int w) const {
  const ExactNumber n = exact_number(states_[group].count, 0);
  return exact_subtract(exact_multiply(n, number(group, product_part(v, w))), exact_multiply(number(group, v), number(group, w)));
}

template <int K>
std::optional<double> GroupMoments<K>::mean(uint32_t group, int v) const {
  const int64_t n = states_[group].count;
  if (n == 0) return std::nullopt;
  if (!is_finite(group, v)) return find_wide(group)->part[v].value();
  return rounded_quotient(number(group, v), exact_number(n, 0));
}

template <int K>
std::optional<double> GroupMoments<K>::covariance(uint32_t group, int v, int w, int ddof) const {
  const int64_t n = states_[group].count;
  if (n <= ddof || n == 0) return std::nullopt;
  if (!is_finite(group, v) || !is_finite(group, w)) return kNan;
  return rounded_quotient(centred(group, v, w), exact_multiply(exact_number(n, 0), exact_number(n - ddof, 0)));
}

template <int K>
std::optional<double> GroupMoments<K>::stddev(uint32_t group, int ddof) const {
  const int64_t n = states_[group].count;
  if (n <= ddof || n == 0) return std::nullopt;
  if (!is_finite(group, 0)) return kNan;
  return rounded_root(centred(group, 0, 0), exact_multiply(exact_number(n, 0), exact_number(n - ddof, 0)));
}

template <int K>
std::optional<double> GroupMoments<K>::correlation(uint32_t group) const {
  if (states_[group].count == 0) return std::nullopt;
  if (!is_finite(group, 0) || !is_finite(group, K - 1)) return kNan;
  const ExactNumber both = exact_multiply(centred(group, 0, 0), centred(group, K - 1, K - 1));
  if (both.is_zero()) return kNan;
  const ExactNumber across = centred(group, 0, K - 1);
  return rounded_root(exact_multiply(across, across), both, across.negative);
}

template <int K>
std::optional<double> GroupMoments<K>::slope(uint32_t group) const {
  if (states_[group].count == 0) return std::nullopt;
  if (!is_finite(group, 0) || !is_finite(group, K - 1)) return kNan;
  const ExactNumber spread = centred(group, 0, 0);
  return spread.is_zero() ? kNan : rounded_quotient(centred(group, 0, K - 1), spread);
}

// (Sy * Sxx - Sx * Sxy) / (n * Sxx - Sx * Sx)
template <int K>
std::optional<double> GroupMoments<K>::intercept(uint32_t group) const {
  if (states_[group].count == 0) return std::nullopt;
  if (!is_finite(group, 0) || !is_finite(group, K - 1)) return kNan;
  const ExactNumber spread = centred(group, 0, 0);
  if (spread.is_zero()) return kNan;
  const ExactNumber sum_x = number(group, 0), sum_y = number(group, K - 1);
  return rounded_quotient(exact_subtract(exact_multiply(sum_y, number(group, product_part(0, 0))),
                                         exact_multiply(sum_x, number(group, product_part(0, K - 1)))),
                          spread);
}

template class GroupMoments<1>;
template class GroupMoments<2>;

}  // namespace gristmill::column
