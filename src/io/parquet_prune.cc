// Row group pruning: predicates against intervals.
//
// Stored minima and maxima become one-row columns of the engine's types and are compared by the engine's own
// order, so a bound means here what it means in the filter.

#include "io/parquet_prune.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/scalar.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>
#include <parquet/types.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "expr/registry.h"

namespace gristmill::io {
namespace {

using column::Column;
using column::Physical;
using expr::Bound;
using expr::BoundKind;

std::shared_ptr<arrow::Buffer> copied(const void* data, size_t bytes) {
  return arrow::Buffer::FromString(std::string(static_cast<const char*>(data), bytes));
}

Column one_value(const column::TypePtr& type, const void* data, size_t bytes) {
  return Column::constant(column::make_array(type, 1, nullptr, 0, copied(data, bytes)));
}

Column one_view(const column::TypePtr& type, std::string_view text) {
  column::View16 v{};
  v.size = static_cast<uint32_t>(text.size());
  std::vector<std::shared_ptr<arrow::Buffer>> buffers{nullptr, nullptr};
  if (v.is_inline()) {
    std::memcpy(v.inlined, text.data(), text.size());
  } else {
    std::memcpy(v.ref.prefix, text.data(), 4);
    buffers.push_back(copied(text.data(), text.size()));
  }
  buffers[1] = copied(&v, sizeof v);
  return Column::constant(arrow::ArrayData::Make(type, 1, std::move(buffers), 0));
}

__int128 big_endian(const uint8_t* p, int bytes) {
  unsigned __int128 v = (p[0] & 0x80) ? ~static_cast<unsigned __int128>(0) : 0;
  for (int i = 0; i < bytes; ++i) v = (v << 8) | p[i];
  return static_cast<__int128>(v);
}

template <typename T>
Column whole_number(const column::TypePtr& type, Physical physical, T stored) {
  if (physical == Physical::kInt128) {
    const __int128 wide = stored;
    return one_value(type, &wide, sizeof wide);
  }
  return one_value(type, &stored, column::byte_width(physical));  // little endian: the low bytes
}

struct Bounds {
  Column min, max;
};

template <typename Type>
const parquet::TypedStatistics<Type>& typed(const parquet::Statistics& s) {
  return static_cast<const parquet::TypedStatistics<Type>&>(s);
}

template <typename Type>
std::optional<Bounds> float_bounds(const column::TypePtr& type, const parquet::Statistics& s) {
  const auto min = typed<Type>(s).min(), max = typed<Type>(s).max();
  if (std::isnan(min) || std::isnan(max)) return std::nullopt;
  return Bounds{one_value(type, &min, sizeof min), one_value(type, &max, sizeof max)};
}

std::optional<Bounds> bounds_of(const ParquetColumn& c, const parquet::ColumnDescriptor& stored, const parquet::Statistics& s) {
  if (!c.direct || !s.HasMinMax()) return std::nullopt;
  const Physical physical = column::physical_unchecked(*c.inside);
  switch (stored.physical_type()) {
    case parquet::Type::INT32:
      return Bounds{whole_number(c.inside, physical, typed<parquet::Int32Type>(s).min()),
                    whole_number(c.inside, physical, typed<parquet::Int32Type>(s).max())};
    case parquet::Type::INT64:
      return Bounds{whole_number(c.inside, physical, typed<parquet::Int64Type>(s).min()),
                    whole_number(c.inside, physical, typed<parquet::Int64Type>(s).max())};
    case parquet::Type::FLOAT: return float_bounds<parquet::FloatType>(c.inside, s);
    case parquet::Type::DOUBLE: return float_bounds<parquet::DoubleType>(c.inside, s);
    case parquet::Type::FIXED_LEN_BYTE_ARRAY: {
      const int bytes = stored.type_length();
      const __int128 min = big_endian(typed<parquet::FLBAType>(s).min().ptr, bytes),
                     max = big_endian(typed<parquet::FLBAType>(s).max().ptr, bytes);
      return Bounds{one_value(c.inside, &min, sizeof min), one_value(c.inside, &max, sizeof max)};
    }
    case parquet::Type::BYTE_ARRAY: {
      const auto &min = typed<parquet::ByteArrayType>(s).min(), &max = typed<parquet::ByteArrayType>(s).max();
      return Bounds{one_view(c.inside, std::string_view(min)), one_view(c.inside, std::string_view(max))};
    }
    default: return std::nullopt;  // bool: two values, rarely worth it
  }
}

// The value as the Bloom filter hashes it: in the physical type, false when that type is not one we hash.
bool in_bloom(const parquet::BloomFilter& bloom, const parquet::ColumnDescriptor& stored, const Column& value) {
  const arrow::ArrayData& d = *value.values;
  const Physical physical = column::physical_unchecked(*d.type);
  __int128 number = 0;
  if (physical == Physical::kInt128) {
    std::memcpy(&number, column::values_of<__int128>(d), sizeof number);
  } else if (physical != Physical::kView) {
    column::visit_number(physical, [&]<typename T>() { number = static_cast<__int128>(*column::values_of<T>(d)); });
  }
  switch (stored.physical_type()) {
    case parquet::Type::INT32: return bloom.FindHash(bloom.Hash(static_cast<int32_t>(number)));
    case parquet::Type::INT64: return bloom.FindHash(bloom.Hash(static_cast<int64_t>(number)));
    case parquet::Type::BYTE_ARRAY: return bloom.FindHash(bloom.Hash(column::view_at(d, 0)));
    default: return true;  // floats have two zeros and many NaNs
  }
}

class GroupFacts {
 public:
  GroupFacts(const ParquetFile& file, int group, const std::vector<int>& columns, parquet::ParquetFileReader* reader)
      : file_(file), group_(group), columns_(columns), reader_(reader), metadata_(file.metadata->RowGroup(group)), facts_(columns.size()) {}

  struct Facts {
    bool read = false;
    int64_t nulls = -1;  // not known
    std::optional<Bounds> bounds;
    bool is_float = false;
    bool bloom_read = false;
    std::unique_ptr<parquet::BloomFilter> bloom;
  };

  Facts& of(int input) {
    Facts& f = facts_[input];
    if (f.read) return f;
    f.read = true;
    const ParquetColumn& c = file_.columns[columns_[input]];
    f.is_float = column::is_float(*c.inside);
    if (!c.field->nullable()) f.nulls = 0;
    if (!c.flat) return f;
    const auto chunk = metadata_->ColumnChunk(c.leaves[0]);
    const auto statistics = chunk->is_stats_set() ? chunk->statistics() : nullptr;
    if (statistics == nullptr) return f;
    if (statistics->HasNullCount() && c.field->nullable()) f.nulls = statistics->null_count();
    f.bounds = bounds_of(c, *file_.metadata->schema()->Column(c.leaves[0]), *statistics);
    return f;
  }

  bool all_null(int input) { return of(input).nulls == metadata_->num_rows(); }

  bool may_equal_by_bloom(int input, const Column& value) {
    const ParquetColumn& c = file_.columns[columns_[input]];
    if (!c.direct || column::is_float(*c.inside) || reader_ == nullptr) return true;
    Facts& f = of(input);
    if (!f.bloom_read) {
      f.bloom_read = true;
      if (metadata_->ColumnChunk(c.leaves[0])->bloom_filter_offset().has_value()) {
        const auto group = reader_->GetBloomFilterReader().RowGroup(group_);
        if (group != nullptr) f.bloom = group->GetColumnBloomFilter(c.leaves[0]);
      }
    }
    return f.bloom == nullptr || in_bloom(*f.bloom, *file_.metadata->schema()->Column(c.leaves[0]), value);
  }

  const column::TypePtr& type(int input) const { return file_.columns[columns_[input]].inside; }

 private:
  const ParquetFile& file_;
  const int group_;
  const std::vector<int>& columns_;
  parquet::ParquetFileReader* const reader_;
  const std::unique_ptr<parquet::RowGroupMetaData> metadata_;
  std::vector<Facts> facts_;
};

bool is_nan(const Column& c) {
  if (c.values->type->id() == arrow::Type::DOUBLE) return std::isnan(*column::values_of<double>(*c.values));
  if (c.values->type->id() == arrow::Type::FLOAT) return std::isnan(*column::values_of<float>(*c.values));
  return false;
}

std::string_view flipped(std::string_view op) {
  if (op == "lt") return "gt";
  if (op == "le") return "ge";
  if (op == "gt") return "lt";
  if (op == "ge") return "le";
  return op;
}

enum class Means : uint8_t { kStatistics, kBloom };

// Evaluates a predicate over what is known of the row group: false only when no row can make it true.
class Judge {
 public:
  Judge(GroupFacts& facts, Means means, arrow::MemoryPool* pool) : facts_(facts), means_(means), pool_(pool) {}

  bool may_match(const Bound& e) {
    if (e.kind == BoundKind::kConstant) {
      return e.value->is_valid && e.type->id() == arrow::Type::BOOL && static_cast<const arrow::BooleanScalar&>(*e.value).value;
    }
    if (e.kind != BoundKind::kCall || e.function == nullptr) return true;
    const std::string& f = e.function->name;
    if (f == "and") return may_match_all(e);
    if (f == "or") {
      for (const auto& a : e.args) {
        if (may_match(*a)) return true;
      }
      return false;
    }
    if (f == "is_null" && e.args[0]->kind == BoundKind::kInput) return means_ == Means::kBloom || facts_.of(e.args[0]->input).nulls != 0;
    if (f == "is_not_null" && e.args[0]->kind == BoundKind::kInput) return means_ == Means::kBloom || !facts_.all_null(e.args[0]->input);
    if (f == "is_in") return may_be_in(e);
    if (f == "between" && e.args.size() == 3) return may_be_between(e);
    if (f == "eq" || f == "ne" || f == "lt" || f == "le" || f == "gt" || f == "ge") return may_compare(f, *e.args[0], *e.args[1]);
    return true;
  }

 private:
  bool may_match_all(const Bound& e) {
    const size_t outer = not_nan_.size();
    for (const auto& a : e.args) note_not_nan(*a);
    bool may = true;
    for (const auto& a : e.args) may = may && may_match(*a);
    not_nan_.resize(outer);
    return may;
  }

  bool may_be_between(const Bound& e) {
    const size_t outer = not_nan_.size();
    note_not_nan(e);
    const bool may = may_compare("ge", *e.args[0], *e.args[1]) && may_compare("le", *e.args[0], *e.args[2]);
    not_nan_.resize(outer);
    return may;
  }

  // `x < c`, `x <= c`, `x = c` with a c that is no NaN: rows where x is NaN are out already.
  void note_not_nan(const Bound& e) {
    if (e.kind != BoundKind::kCall || e.function == nullptr) return;
    const std::string& f = e.function->name;
    if (f == "and") {
      for (const auto& a : e.args) note_not_nan(*a);
      return;
    }
    if (f == "between" && e.args.size() == 3) return note_bound("le", *e.args[0], *e.args[2]);
    if (e.args.size() == 2) note_bound(f, *e.args[0], *e.args[1]);
  }

  void note_bound(std::string_view op, const Bound& a, const Bound& b) {
    if (a.kind == BoundKind::kConstant && b.kind == BoundKind::kInput) return note_bound(flipped(op), b, a);
    if (a.kind != BoundKind::kInput || b.kind != BoundKind::kConstant || !b.value->is_valid) return;
    if (op != "lt" && op != "le" && op != "eq") return;
    const auto value = constant(b);
    if (value.has_value() && !is_nan(*value)) not_nan_.push_back(a.input);
  }

  std::optional<Column> constant(const Bound& e) {
    auto made = column::constant_of(*e.value, pool_);
    if (!made.ok()) return std::nullopt;
    return std::move(*made);
  }

  bool may_be_in(const Bound& e) {
    if (e.args[0]->kind != BoundKind::kInput) return true;
    for (size_t i = 1; i < e.args.size(); ++i) {
      if (may_compare("eq", *e.args[0], *e.args[i])) return true;
    }
    return false;
  }

  bool may_compare(std::string_view op, const Bound& a, const Bound& b) {
    if (a.kind == BoundKind::kConstant && b.kind == BoundKind::kInput) return may_compare(flipped(op), b, a);
    if (a.kind != BoundKind::kInput || b.kind != BoundKind::kConstant) return true;
    if (!b.value->is_valid) return false;  // compared with NULL: never true
    const auto value = constant(b);
    if (!value.has_value() || !value->type()->Equals(*facts_.type(a.input))) return true;
    if (means_ == Means::kBloom) return op != "eq" || facts_.may_equal_by_bloom(a.input, *value);
    if (facts_.all_null(a.input)) return false;
    const GroupFacts::Facts& f = facts_.of(a.input);
    if (!f.bounds.has_value() || op == "ne") return true;
    const int low = column::compare_rows(f.bounds->min, 0, *value, 0), high = column::compare_rows(f.bounds->max, 0, *value, 0);
    const bool max_holds =
        !f.is_float || (op == "eq" && !is_nan(*value)) || std::find(not_nan_.begin(), not_nan_.end(), a.input) != not_nan_.end();
    if (op == "lt") return low < 0;
    if (op == "le") return low <= 0;
    if (op == "gt") return !max_holds || high > 0;
    if (op == "ge") return !max_holds || high >= 0;
    return low <= 0 && (!max_holds || high >= 0);
  }

  GroupFacts& facts_;
  const Means means_;
  arrow::MemoryPool* const pool_;
  std::vector<int> not_nan_;
};

// A range proves nothing about nulls, nor about NaN.
arrow::Result<bool> filters_may_match(GroupFacts& facts, const plan::ScanRequest& request) {
  for (const auto& [input, filter] : request.runtime_filters) {
    if (!filter->ready()) continue;
    const GroupFacts::Facts& f = facts.of(input);
    if (!f.bounds.has_value() || f.nulls != 0 || f.is_float) continue;
    ARROW_ASSIGN_OR_RAISE(const auto min, arrow::MakeArray(f.bounds->min.values)->GetScalar(0));
    ARROW_ASSIGN_OR_RAISE(const auto max, arrow::MakeArray(f.bounds->max.values)->GetScalar(0));
    if (!filter->may_match_range(*min, *max)) return false;
  }
  return true;
}

}  // namespace

arrow::Result<GroupVerdict> judge_group(const ParquetFile& file, int group, const std::vector<int>& columns,
                                        const plan::ScanRequest& request, parquet::ParquetFileReader* reader) {
  if (request.predicate == nullptr && request.runtime_filters.empty()) return GroupVerdict::kMayMatch;
  return guard_parquet(file.path, {}, [&]() -> arrow::Result<GroupVerdict> {
    arrow::MemoryPool* const pool = request.memory->pool();
    GroupFacts facts(file, group, columns, reader);
    if (request.predicate != nullptr && !Judge(facts, Means::kStatistics, pool).may_match(*request.predicate))
      return GroupVerdict::kByStatistics;
    ARROW_ASSIGN_OR_RAISE(const bool may, filters_may_match(facts, request));
    if (!may) return GroupVerdict::kByRuntimeFilter;
    if (request.predicate != nullptr && !Judge(facts, Means::kBloom, pool).may_match(*request.predicate)) return GroupVerdict::kByBloom;
    return GroupVerdict::kMayMatch;
  });
}

std::optional<std::pair<double, double>> parquet_value_range(const ParquetFile& file, int column) {
  const ParquetColumn& c = file.columns[static_cast<size_t>(column)];
  const auto physical = column::physical_of(*c.inside);
  if (!c.flat || !physical.ok() || *physical == Physical::kNested || *physical == Physical::kView || *physical == Physical::kBool) return std::nullopt;
  const double unit = c.inside->id() == arrow::Type::DECIMAL128 ? std::pow(10.0, -static_cast<const arrow::Decimal128Type&>(*c.inside).scale()) : 1.0;
  const auto number = [&](const Column& value) {
    double out = 0;
    column::visit_number(*physical, [&]<typename T>() { out = static_cast<double>(*column::values_of<T>(*value.values)); });
    return out * unit;
  };
  std::optional<std::pair<double, double>> all;
  const auto read = guard_parquet(file.path, {}, [&]() -> arrow::Result<bool> {
    for (int g = 0; g < file.metadata->num_row_groups(); ++g) {
      const auto group = file.metadata->RowGroup(g);
      const auto chunk = group->ColumnChunk(c.leaves[0]);
      const auto statistics = chunk->is_stats_set() ? chunk->statistics() : nullptr;
      if (!statistics) return false;
      if (statistics->HasNullCount() && statistics->null_count() == group->num_rows()) continue;
      const auto bounds = bounds_of(c, *file.metadata->schema()->Column(c.leaves[0]), *statistics);
      if (!bounds) return false;
      const double min = number(bounds->min), max = number(bounds->max);
      all = all ? std::pair{std::min(all->first, min), std::max(all->second, max)} : std::pair{min, max};
    }
    return true;
  });
  return read.ok() && *read ? all : std::nullopt;
}

}  // namespace gristmill::io
