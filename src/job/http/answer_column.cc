// All distinct answers are laid into one block first; values are views into it, or read from it by the readers of NDJSON.

#include "job/http/answer_column.h"

#include <cstring>
#include <unordered_map>

#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/json_columns.h"
#include "io/text_shown.h"
#include "io/text_views.h"

namespace gristmill::job {
namespace {

constexpr int64_t kMostBlock = INT32_MAX - 1024;  // views count in 32 bits

struct Place {
  int64_t offset = 0;
  int64_t size = 0;
  std::string problem;  // why it is no JSON
};

struct Block {
  std::shared_ptr<arrow::Buffer> buffer;
  std::unordered_map<const Answered*, Place> places;
};

std::string problem_of(const char* begin, const char* end) {
  if (!simdjson::validate_utf8(begin, static_cast<size_t>(end - begin))) return "the answer is not valid UTF-8";
  io::JsonCursor in(begin, end);
  if (!in.skip_value() || !in.at_end()) {
    return "the answer is no JSON: " + io::shown_value(std::string_view(begin, static_cast<size_t>(end - begin)));
  }
  return {};
}

arrow::Result<Block> lay_out(const std::vector<AnsweredPtr>& answers, arrow::MemoryPool* pool) {
  Block out;
  int64_t bytes = 0;
  for (const AnsweredPtr& a : answers) {
    if (a == nullptr || a->missing) continue;
    const auto [at, fresh] = out.places.try_emplace(a.get());
    if (!fresh) continue;
    at->second.offset = bytes;
    at->second.size = static_cast<int64_t>(a->body.size());
    bytes += at->second.size;
  }
  if (bytes > kMostBlock) {
    return base::memory_error("the answers of one batch are longer than 2 GiB", "set parallel.batch_rows to fewer rows");
  }
  ARROW_ASSIGN_OR_RAISE(out.buffer, column::allocate_zeroed(bytes + column::kStoreSlack, pool));
  auto* base = reinterpret_cast<char*>(out.buffer->mutable_data());
  for (auto& [answer, place] : out.places) {
    std::memcpy(base + place.offset, answer->body.data(), answer->body.size());
  }
  for (auto& [answer, place] : out.places) place.problem = problem_of(base + place.offset, base + place.offset + place.size);
  return out;
}

arrow::Status wrong(const std::string& column, const std::string& message, const std::string& value) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.column = column;
  d.value = io::shown_value(value);
  return base::with_detail(base::data_error(message), d);
}

// Behind and before blanks.
std::string_view trimmed(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

arrow::Result<column::Column> text_column(const std::vector<AnsweredPtr>& answers, const Block& block, const std::string& name,
                                          RowErrors& errors, arrow::MemoryPool* pool) {
  const auto rows = std::ssize(answers);
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_zeroed(rows * 16, pool));
  ARROW_ASSIGN_OR_RAISE(auto validity, column::allocate_bits(rows, pool));
  auto* views = reinterpret_cast<column::View16*>(values->mutable_data());
  uint8_t* valid = validity->mutable_data();
  io::ViewTexts texts;
  texts.base = reinterpret_cast<const char*>(block.buffer->data());
  int64_t nulls = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const AnsweredPtr& a = answers[static_cast<size_t>(i)];
    const Place* place = a == nullptr || a->missing ? nullptr : &block.places.at(a.get());
    if (place != nullptr && !place->problem.empty()) {
      errors.reject(i, wrong(name, place->problem, {}));
      place = nullptr;
    }
    if (place == nullptr) {
      ++nulls;
      continue;
    }
    valid[i >> 3] = static_cast<uint8_t>(valid[i >> 3] | (1 << (i & 7)));
    const std::string_view text = trimmed({texts.base + place->offset, static_cast<size_t>(place->size)});
    texts.set(views[i], text.data(), std::ssize(text));
  }
  if (nulls == 0) validity = nullptr;
  auto out = column::make_array(arrow::utf8_view(), rows, std::move(validity), nulls, std::move(values));
  if (texts.in_place > 0) out->buffers.push_back(block.buffer);
  return column::Column::flat(std::move(out));
}

arrow::Result<column::Column> typed_column(const std::vector<AnsweredPtr>& answers, const Block& block, const column::TypePtr& type,
                                           const std::string& name, RowErrors& errors, arrow::MemoryPool* pool) {
  io::JsonColumnContext context;
  context.block = block.buffer;
  context.pool = pool;
  const auto made = io::make_json_column(type, context);
  const char* base = reinterpret_cast<const char*>(block.buffer->data());
  for (int64_t i = 0; i < std::ssize(answers); ++i) {
    const AnsweredPtr& a = answers[static_cast<size_t>(i)];
    const Place* place = a == nullptr || a->missing ? nullptr : &block.places.at(a.get());
    if (place != nullptr && !place->problem.empty()) {
      errors.reject(i, wrong(name, place->problem, {}));
      place = nullptr;
    }
    if (place != nullptr) {
      io::JsonCursor in(base + place->offset, base + place->offset + place->size);
      io::JsonProblem problem;
      if (made->append(in, 0, problem)) continue;
      const std::string why = problem.why.empty() ? "the answer does not fit the schema" : problem.why;
      errors.reject(i, wrong(name + problem.path, why, problem.value));
    }
    made->append_null();
  }
  ARROW_ASSIGN_OR_RAISE(auto out, made->finish());
  return column::Column::flat(std::move(out));
}

}  // namespace

arrow::Result<column::Column> answer_column(const std::vector<AnsweredPtr>& answers, const column::TypePtr& type, const std::string& name,
                                            RowErrors& errors, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const Block block, lay_out(answers, pool));
  if (column::is_text(*type)) return text_column(answers, block, name, errors, pool);
  return typed_column(answers, block, type, name, errors, pool);
}

}  // namespace gristmill::job
