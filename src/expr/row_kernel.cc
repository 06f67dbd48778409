#include "expr/row_kernel.h"

#include <limits>

namespace gristmill::expr {

using arrow::Type;
using column::TypePtr;

namespace {

struct Kind {
  char letter;
  const char* name;
};
constexpr Kind kKinds[] = {{'t', "text"}, {'b', "text or bytes"}, {'i', "an integer"}, {'f', "a number"},
                           {'o', "a bool"}, {'n', "an integer"},    {'d', "a date"}};

const char* name_of(char letter) {
  for (const Kind& k : kKinds) {
    if (k.letter == letter) return k.name;
  }
  return "";
}

bool fits(char letter, const ArgumentInfo& a) {
  if (a.type->id() == Type::NA) return true;
  switch (letter) {
    case 't': return column::is_text(*a.type);
    case 'b': return column::is_viewed(*a.type);
    case 'i': return column::is_integer(*a.type);
    case 'f': return column::is_numeric(*a.type);
    case 'o': return a.type->id() == Type::BOOL;
    default: return a.type->id() == Type::DATE32;
  }
}

TypePtr type_of_kind(char letter) {
  switch (letter) {
    case 't': return arrow::utf8_view();
    case 'b': return arrow::binary_view();
    case 'i': return arrow::int64();
    case 'n': return arrow::int32();
    case 'f': return arrow::float64();
    case 'o': return arrow::boolean();
    case 'd': return arrow::date32();
    default: return arrow::list(arrow::utf8_view());  // 'l'
  }
}

}  // namespace

arrow::Result<Signature> bind_pattern(std::string_view name, std::string_view pattern, std::span<const ArgumentInfo> args) {
  const size_t arrow_at = pattern.find('>');
  std::string kinds;
  size_t required = std::string_view::npos;
  for (char c : pattern.substr(0, arrow_at)) {
    if (c == '?')
      required = kinds.size();
    else
      kinds += c;
  }
  if (required == std::string_view::npos) required = kinds.size();
  if (args.size() < required || args.size() > kinds.size()) return wrong_count(name, required, args.size());
  Signature s;
  for (size_t i = 0; i < args.size(); ++i) {
    if (!fits(kinds[i], args[i])) {
      std::string takes;
      for (size_t k = 0; k < args.size(); ++k) takes += (k == 0 ? "" : k + 1 == args.size() ? " and " : ", ") + std::string(name_of(kinds[k]));
      return bad_arguments(name, takes, args);
    }
    s.casts.push_back(type_of_kind(kinds[i]));
  }
  s.type = type_of_kind(pattern[arrow_at + 1]);
  s.fallible = pattern.find('!') != std::string_view::npos;
  s.introduces_nulls = pattern.find('~') != std::string_view::npos;
  return s;
}

arrow::Result<ListEnds> ListEnds::make(int64_t rows, arrow::MemoryPool* pool) {
  ListEnds out;
  ARROW_ASSIGN_OR_RAISE(out.buffer_, column::allocate_zeroed((rows + 1) * 4, pool));
  out.ends_ = reinterpret_cast<int32_t*>(out.buffer_->mutable_data());
  out.rows_ = rows;
  return out;
}

arrow::Status ListEnds::close(int64_t row, int64_t end) {
  if (end > std::numeric_limits<int32_t>::max()) return base::data_error("the lists of one batch have more than 2^31 entries", "", row);
  for (; next_ < row; ++next_) ends_[next_ + 1] = static_cast<int32_t>(last_);
  ends_[row + 1] = static_cast<int32_t>(end);
  last_ = end;
  next_ = row + 1;
  return arrow::Status::OK();
}

column::Column ListEnds::finish(const TypePtr& type, std::shared_ptr<arrow::ArrayData> entries, std::shared_ptr<arrow::Buffer> validity) {
  for (; next_ < rows_; ++next_) ends_[next_ + 1] = static_cast<int32_t>(last_);
  auto data = column::make_array(type, rows_, nullptr, 0, buffer_);
  data->child_data.push_back(std::move(entries));
  return with_validity(std::move(data), std::move(validity));
}

arrow::Result<std::shared_ptr<arrow::ArrayData>> TextList::finish(const TypePtr& type, arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(size(), pool));
  size_t from = 0;
  for (size_t k = 0; k < ends_.size(); ++k) {
    ARROW_RETURN_NOT_OK(out.set(static_cast<int64_t>(k), std::string_view(bytes_).substr(from, ends_[k] - from)));
    from = ends_[k];
  }
  return out.finish(type);
}

}  // namespace gristmill::expr
