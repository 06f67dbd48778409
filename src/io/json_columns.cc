// Scalars, texts, lists, structs.

#include "io/json_columns.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <arrow/type.h>

#include "column/bits.h"
#include "column/buffers.h"
#include "column/column.h"
#include "expr/moment.h"
#include "expr/parse_text.h"
#include "io/text_values.h"
#include "io/text_views.h"

namespace gristmill::io {
namespace {

using arrow::ArrayData;
using ArrayDataPtr = std::shared_ptr<ArrayData>;
using column::View16;

bool malformed(const JsonCursor& in, JsonProblem& problem) {
  problem.malformed = true;
  problem.value.assign(in.at(), static_cast<size_t>(std::min<int64_t>(in.end() - in.at(), 40)));
  return false;
}

// What every column does alike: rows, nulls, and what becomes of a value that does not fit.
class BasicColumn : public JsonColumn {
 public:
  explicit BasicColumn(column::TypePtr type, const JsonColumnContext& context) : type_(std::move(type)), context_(context) {}

  bool append(JsonCursor& in, int depth, JsonProblem& problem) final {
    const char* const begin = in.at();
    const JsonKind kind = in.peek();
    if (kind == JsonKind::kWrong || depth > JsonCursor::kMostDepth) return malformed(in, problem);
    if (kind == JsonKind::kNull) {
      if (!in.take_word("null")) return malformed(in, problem);
      append_null();
      return true;
    }
    const int64_t before = rows_;
    if (take(in, kind, depth, problem)) return true;
    truncate(before);
    if (problem.malformed || !problem.path.empty() || !problem.why.empty()) return false;
    in.go_to(begin);
    in.peek();
    const char* const value = in.at();
    if (!in.skip_value()) return malformed(in, problem);
    if (context_.rules.bad_is_null) {
      ++nulled_;
      append_null();
      return true;
    }
    problem.value.assign(value, static_cast<size_t>(in.at() - value));
    problem.why = "cannot read the value as " + column::type_text(*type_);
    return false;
  }
  void append_null() final {
    nulls_.push_back(rows_++);
    add_null();
  }
  void truncate(int64_t rows) override {
    rows_ = rows;
    while (!nulls_.empty() && nulls_.back() >= rows) nulls_.pop_back();
  }

 protected:
  // False: it does not fit, or with the problem's fields set something within it does not.
  virtual bool take(JsonCursor& in, JsonKind kind, int depth, JsonProblem& problem) = 0;
  virtual void add_null() = 0;

  arrow::Result<std::shared_ptr<arrow::Buffer>> validity() const {
    if (nulls_.empty()) return nullptr;
    ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(rows_, context_.pool));
    uint8_t* to = bits->mutable_data();
    for (int64_t i = 0; i < rows_; i += 8) to[i / 8] = static_cast<uint8_t>(rows_ - i >= 8 ? 0xff : (1 << (rows_ - i)) - 1);
    for (const int64_t i : nulls_) to[i >> 3] &= static_cast<uint8_t>(~(1 << (i & 7)));
    return bits;
  }
  void forget() {
    rows_ = 0;
    nulled_ = 0;
    nulls_.clear();
  }

  const column::TypePtr type_;
  const JsonColumnContext& context_;
  std::vector<int64_t> nulls_;
};

// Values of a fixed width, in a buffer of the query's pool.
template <typename T>
class Growing {
 public:
  explicit Growing(arrow::MemoryPool* pool) : pool_(pool) {}
  void push(const T& v) {
    if (size_ == capacity_ && !grow().ok()) return;
    std::memcpy(data_ + size_++, &v, sizeof v);
  }
  T* data() { return data_; }
  void cut(int64_t n) { size_ = std::min(size_, n); }
  arrow::Result<std::shared_ptr<arrow::Buffer>> finish() {
    ARROW_RETURN_NOT_OK(failed_);
    if (buffer_ == nullptr) ARROW_RETURN_NOT_OK(grow());
    auto out = arrow::SliceBuffer(buffer_, 0, size_ * static_cast<int64_t>(sizeof(T)));
    buffer_.reset();
    data_ = nullptr;
    size_ = capacity_ = 0;
    return out;
  }

 private:
  arrow::Status grow() {
    if (!failed_.ok()) return failed_;
    const int64_t more = std::max<int64_t>(256, capacity_ * 2);
    auto fresh = column::allocate_buffer(more * static_cast<int64_t>(sizeof(T)), pool_);
    if (!fresh.ok()) return failed_ = fresh.status();
    T* to = reinterpret_cast<T*>((*fresh)->mutable_data());
    if (size_ > 0) std::memcpy(static_cast<void*>(to), data_, static_cast<size_t>(size_) * sizeof(T));
    buffer_ = std::move(*fresh);
    data_ = to;
    capacity_ = more;
    return arrow::Status::OK();
  }
  arrow::MemoryPool* const pool_;
  std::shared_ptr<arrow::Buffer> buffer_;
  T* data_ = nullptr;
  int64_t size_ = 0, capacity_ = 0;
  arrow::Status failed_;  // told by finish()
};

// A string's text, unescaped into `room` if need be.
bool take_plain_text(JsonCursor& in, std::string& room, std::string_view& text, JsonProblem& problem) {
  bool escaped;
  if (!in.take_text(text, escaped)) return malformed(in, problem);
  if (!escaped) return true;
  if (!JsonCursor::unescape(text, room)) return malformed(in, problem);
  text = room;
  return true;
}

template <typename T>
class FixedColumn final : public BasicColumn {
 public:
  FixedColumn(column::TypePtr type, const JsonColumnContext& c) : BasicColumn(std::move(type), c), values_(c.pool) {}
  void truncate(int64_t rows) override {
    BasicColumn::truncate(rows);
    values_.cut(rows);
  }
  arrow::Result<ArrayDataPtr> finish() override {
    ARROW_ASSIGN_OR_RAISE(auto values, values_.finish());
    ARROW_ASSIGN_OR_RAISE(auto bits, validity());
    auto out = column::make_array(type_, rows_, std::move(bits), std::ssize(nulls_), std::move(values));
    forget();
    return out;
  }

 protected:
  bool take(JsonCursor& in, JsonKind kind, int, JsonProblem& problem) override {
    T value{};
    std::string_view text;
    if (kind == JsonKind::kNumber) {
      bool integral;
      if (!in.take_number(text, integral)) return malformed(in, problem);
      if (!from_number(text, integral, value)) return false;
    } else if (kind == JsonKind::kText) {
      if (!take_plain_text(in, room_, text, problem)) return false;
      if (!from_text(text, value)) return false;
    } else {
      return false;
    }
    values_.push(value);
    ++rows_;
    return true;
  }
  void add_null() override { values_.push(T{}); }

 private:
  bool is_moment() const {
    return type_->id() == arrow::Type::DATE32 || type_->id() == arrow::Type::TIMESTAMP || type_->id() == arrow::Type::TIME64 ||
           type_->id() == arrow::Type::TIME32;
  }

  bool from_number(std::string_view s, bool integral, T& out) const {
    if constexpr (std::is_same_v<T, double>) {
      return fast_double(s.data(), std::ssize(s), out) || expr::parse_float(s, out);
    } else if constexpr (std::is_same_v<T, float>) {
      return fast_float(s.data(), std::ssize(s), out) || expr::parse_float(s, out);
    } else if constexpr (std::is_same_v<T, __int128>) {
      const auto& d = static_cast<const arrow::DecimalType&>(*type_);
      return expr::parse_decimal(s, d.precision(), d.scale(), out);
    } else {
      if (is_moment()) return false;
      if (integral) return narrow(s, out);
      // 3.0 and 1e3 are integers too.
      double v;
      if (!expr::parse_float(s, v) || v != std::floor(v) || std::abs(v) > 9007199254740992.0) return false;
      return narrow(std::to_string(static_cast<int64_t>(v)), out);
    }
  }
  static bool narrow(std::string_view s, T& out) {
    if constexpr (std::is_same_v<T, int64_t>) {
      return (s.size() <= 17 && fast_int64(s.data(), std::ssize(s), out)) || expr::parse_integer(s, out);
    } else if constexpr (std::is_integral_v<T>) {
      return expr::parse_integer(s, out);
    } else {
      return false;
    }
  }

  bool from_text(std::string_view s, T& out) const {
    if constexpr (std::is_same_v<T, __int128>) {
      const auto& d = static_cast<const arrow::DecimalType&>(*type_);
      return expr::parse_decimal(s, d.precision(), d.scale(), out);
    } else if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, int32_t>) {
      int64_t v;
      bool zoned;
      switch (type_->id()) {
        case arrow::Type::DATE32:
          if (!expr::parse_date(s, v)) return false;
          break;
        case arrow::Type::TIMESTAMP: {
          const int64_t units = expr::units_of(*type_);
          if (!(s.data() != room_.data() && fast_timestamp(s.data(), std::ssize(s), units, v, zoned)) &&
              !expr::parse_timestamp(s, units, v))
            return false;
          break;
        }
        case arrow::Type::TIME32:
        case arrow::Type::TIME64:
          if (s.find_first_not_of("0123456789:.") != std::string_view::npos ||
              !expr::parse_timestamp("1970-01-01 " + std::string(s),
                                     expr::units_per_second(static_cast<const arrow::TimeType&>(*type_).unit()), v)) {
            return false;
          }
          break;
        default: return false;
      }
      out = static_cast<T>(v);
      return true;
    } else if constexpr (std::is_floating_point_v<T>) {
      return from_name(s, out);
    } else {
      return false;
    }
  }

  // Floats that JSON has no numbers for, by the names that most writers give them.
  static bool from_name(std::string_view s, T& out) {
    if (s == "NaN") {
      out = std::numeric_limits<T>::quiet_NaN();
    } else if (s == "Infinity" || s == "-Infinity") {
      out = s[0] == '-' ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
    } else {
      return false;
    }
    return true;
  }

  Growing<T> values_;
  std::string room_;
};

class BoolColumn final : public BasicColumn {
 public:
  BoolColumn(column::TypePtr type, const JsonColumnContext& c) : BasicColumn(std::move(type), c), values_(c.pool) {}
  void truncate(int64_t rows) override {
    BasicColumn::truncate(rows);
    values_.cut(rows);
  }
  arrow::Result<ArrayDataPtr> finish() override {
    const uint8_t* from = values_.data();
    ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(rows_, context_.pool));
    for (int64_t i = 0; i < rows_; ++i) {
      if (from[i]) bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
    }
    ARROW_RETURN_NOT_OK(values_.finish().status());
    ARROW_ASSIGN_OR_RAISE(auto valid, validity());
    auto out = column::make_array(type_, rows_, std::move(valid), std::ssize(nulls_), std::move(bits));
    forget();
    return out;
  }

 protected:
  bool take(JsonCursor& in, JsonKind kind, int, JsonProblem& problem) override {
    if (kind != JsonKind::kBool) return false;
    const bool yes = in.take_word("true");
    if (!yes && !in.take_word("false")) return malformed(in, problem);
    values_.push(yes);
    ++rows_;
    return true;
  }
  void add_null() override { values_.push(0); }

 private:
  Growing<uint8_t> values_;
};

// Texts; a value of another kind gives its JSON.
class TextColumn final : public BasicColumn {
 public:
  TextColumn(column::TypePtr type, const JsonColumnContext& c) : BasicColumn(std::move(type), c), views_(c.pool) {}
  void truncate(int64_t rows) override {
    BasicColumn::truncate(rows);
    views_.cut(rows);  // bytes that nobody refers to any more may stay
  }
  arrow::Result<ArrayDataPtr> finish() override {
    const int64_t rows = rows_;
    View16* views = views_.data();
    std::vector<std::shared_ptr<arrow::Buffer>> more;
    if (rows > 0) {
      ARROW_ASSIGN_OR_RAISE(more, texts_.finish(views, rows, context_.block, context_.pool));
    }
    ARROW_ASSIGN_OR_RAISE(auto values, views_.finish());
    ARROW_ASSIGN_OR_RAISE(auto bits, validity());
    auto out = column::make_array(type_, rows, std::move(bits), std::ssize(nulls_), std::move(values));
    out->buffers.insert(out->buffers.end(), more.begin(), more.end());
    forget();
    texts_ = {};
    return out;
  }

 protected:
  bool take(JsonCursor& in, JsonKind kind, int depth, JsonProblem& problem) override {
    View16 v{};
    texts_.base = reinterpret_cast<const char*>(context_.block->data());
    if (kind == JsonKind::kText) {
      std::string_view raw;
      bool escaped;
      if (!in.take_text(raw, escaped)) return malformed(in, problem);
      if (!escaped) {
        texts_.set(v, raw.data(), std::ssize(raw));
      } else {
        if (!JsonCursor::unescape(raw, room_)) return malformed(in, problem);
        texts_.set_rewritten(v, room_);
      }
    } else {
      const char* const begin = in.at();
      if (!in.skip_value(depth)) return malformed(in, problem);
      texts_.set(v, begin, in.at() - begin);
    }
    views_.push(v);
    ++rows_;
    return true;
  }
  void add_null() override { views_.push(View16{}); }

 private:
  Growing<View16> views_;
  ViewTexts texts_;
  std::string room_;
};

class ListColumn final : public BasicColumn {
 public:
  ListColumn(column::TypePtr type, const JsonColumnContext& c, std::unique_ptr<JsonColumn> item)
      : BasicColumn(std::move(type), c), item_(std::move(item)), offsets_(c.pool) {}
  void truncate(int64_t rows) override {
    BasicColumn::truncate(rows);
    offsets_.cut(rows);
    item_->truncate(rows == 0 ? 0 : offsets_.data()[rows - 1]);
  }
  arrow::Result<ArrayDataPtr> finish() override {
    Growing<int32_t> all(context_.pool);
    all.push(0);
    for (int64_t i = 0; i < rows_; ++i) all.push(offsets_.data()[i]);
    ARROW_RETURN_NOT_OK(offsets_.finish().status());
    ARROW_ASSIGN_OR_RAISE(auto offsets, all.finish());
    ARROW_ASSIGN_OR_RAISE(auto bits, validity());
    ARROW_ASSIGN_OR_RAISE(auto items, item_->finish());
    auto out = ArrayData::Make(type_, rows_, {std::move(bits), std::move(offsets)}, {std::move(items)}, std::ssize(nulls_));
    forget();
    return out;
  }

 protected:
  bool take(JsonCursor& in, JsonKind kind, int depth, JsonProblem& problem) override {
    if (kind != JsonKind::kList) return false;
    in.take('[');
    const int64_t first = item_->rows();
    if (!in.take(']')) {
      do {
        if (!item_->append(in, depth + 1, problem)) {
          if (!problem.malformed) problem.path = "[" + std::to_string(item_->rows() - first) + "]" + problem.path;
          return false;
        }
      } while (in.take(','));
      if (!in.take(']')) return malformed(in, problem);
    }
    if (item_->rows() > INT32_MAX) return false;
    offsets_.push(static_cast<int32_t>(item_->rows()));
    ++rows_;
    return true;
  }
  void add_null() override { offsets_.push(static_cast<int32_t>(item_->rows())); }

 private:
  const std::unique_ptr<JsonColumn> item_;
  Growing<int32_t> offsets_;  // where each row ends
};

class StructColumn final : public BasicColumn {
 public:
  StructColumn(column::TypePtr type, const JsonColumnContext& c, std::vector<std::unique_ptr<JsonColumn>> children)
      : BasicColumn(std::move(type), c), fields_(names_of(*type_)), children_(std::move(children)) {}
  void truncate(int64_t rows) override {
    BasicColumn::truncate(rows);
    for (auto& child : children_) child->truncate(rows);
  }
  arrow::Result<ArrayDataPtr> finish() override {
    ARROW_ASSIGN_OR_RAISE(auto bits, validity());
    std::vector<ArrayDataPtr> children;
    for (auto& child : children_) {
      ARROW_ASSIGN_OR_RAISE(auto data, child->finish());
      children.push_back(std::move(data));
    }
    auto out = ArrayData::Make(type_, rows_, {std::move(bits)}, std::move(children), std::ssize(nulls_));
    forget();
    return out;
  }

 protected:
  bool take(JsonCursor& in, JsonKind kind, int depth, JsonProblem& problem) override {
    if (kind != JsonKind::kObject) return false;
    in.take('{');
    size_t place = 0;
    if (!in.take('}')) {
      do {
        std::string_view key;
        int field = fields_.take_expected(in, place);
        if (field == JsonFields::kOther) {
          bool escaped;
          if (!in.take_text(key, escaped) || !in.take(':')) return malformed(in, problem);
          field = fields_.find(key, escaped, place);
        }
        ++place;
        if (field >= 0) {
          if (children_[field]->rows() > rows_) {
            problem.path = "." + fields_.names()[field];
            problem.why = "a field comes twice";
            return false;
          }
          if (!children_[field]->append(in, depth + 1, problem)) {
            if (!problem.malformed) problem.path = "." + fields_.names()[field] + problem.path;
            return false;
          }
        } else if (!context_.rules.extra_fields) {
          problem.path = "." + (key.data() != nullptr ? std::string(key) : fields_.raw_at(place - 1));
          problem.why = "a field that the schema has not";
          return false;
        } else if (!in.skip_value(depth + 1)) {
          return malformed(in, problem);
        }
      } while (in.take(','));
      if (!in.take('}')) return malformed(in, problem);
    }
    ++rows_;
    for (auto& child : children_) {
      if (child->rows() < rows_) child->append_null();
    }
    return true;
  }
  void add_null() override {
    for (auto& child : children_) child->append_null();
  }

 private:
  static std::vector<std::string> names_of(const arrow::DataType& type) {
    std::vector<std::string> out;
    for (const auto& f : type.fields()) out.push_back(f->name());
    return out;
  }
  JsonFields fields_;
  const std::vector<std::unique_ptr<JsonColumn>> children_;
};

}  // namespace

int JsonFields::find(std::string_view raw, bool escaped, size_t place) {
  if (place < order_.size() && order_[place].raw == raw) return order_[place].field;
  std::string_view name = raw;
  if (escaped) {
    if (!JsonCursor::unescape(raw, room_)) return kUnknown;
    name = room_;
  }
  const auto at = std::find(names_.begin(), names_.end(), name);
  const int field = at == names_.end() ? kUnknown : static_cast<int>(at - names_.begin());
  if (place >= order_.size() && place < 4096) order_.resize(place + 1, {"\"", "\"\"\"", kUnknown});  // what no key is
  if (place < order_.size()) order_[place] = {std::string(raw), "\"" + std::string(raw) + "\":", field};
  return field;
}

std::unique_ptr<JsonColumn> make_json_column(const column::TypePtr& type, const JsonColumnContext& c) {
  switch (type->id()) {
    case arrow::Type::BOOL: return std::make_unique<BoolColumn>(type, c);
    case arrow::Type::INT8: return std::make_unique<FixedColumn<int8_t>>(type, c);
    case arrow::Type::INT16: return std::make_unique<FixedColumn<int16_t>>(type, c);
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32: return std::make_unique<FixedColumn<int32_t>>(type, c);
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP: return std::make_unique<FixedColumn<int64_t>>(type, c);
    case arrow::Type::UINT8: return std::make_unique<FixedColumn<uint8_t>>(type, c);
    case arrow::Type::UINT16: return std::make_unique<FixedColumn<uint16_t>>(type, c);
    case arrow::Type::UINT32: return std::make_unique<FixedColumn<uint32_t>>(type, c);
    case arrow::Type::UINT64: return std::make_unique<FixedColumn<uint64_t>>(type, c);
    case arrow::Type::FLOAT: return std::make_unique<FixedColumn<float>>(type, c);
    case arrow::Type::DOUBLE: return std::make_unique<FixedColumn<double>>(type, c);
    case arrow::Type::DECIMAL128: return std::make_unique<FixedColumn<__int128>>(type, c);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: return std::make_unique<TextColumn>(type, c);
    case arrow::Type::LIST: {
      auto item = make_json_column(static_cast<const arrow::ListType&>(*type).value_type(), c);
      return item == nullptr ? nullptr : std::make_unique<ListColumn>(type, c, std::move(item));
    }
    case arrow::Type::STRUCT: {
      std::vector<std::unique_ptr<JsonColumn>> children;
      for (const auto& f : type->fields()) {
        children.push_back(make_json_column(f->type(), c));
        if (children.back() == nullptr) return nullptr;
      }
      return std::make_unique<StructColumn>(type, c, std::move(children));
    }
    default: return nullptr;
  }
}

}  // namespace gristmill::io
