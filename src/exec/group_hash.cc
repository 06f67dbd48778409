// Words are hashed as uint64 columns whatever their type was, so equal keys hash alike in every encoding.

#include "exec/group_hash.h"

#include <algorithm>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kSpan = 1024;

column::Column word_column(const uint64_t* words, int64_t n) {
  auto buffer = std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(words), n * static_cast<int64_t>(sizeof(uint64_t)));
  return column::Column::flat(column::make_array(arrow::uint64(), n, nullptr, 0, std::move(buffer)));
}

}  // namespace

void hash_words(const uint64_t* const* words, int count, int64_t n, uint64_t* out) {
  std::vector<column::Column> columns;
  columns.reserve(static_cast<size_t>(count));
  for (int w = 0; w < count; ++w) columns.push_back(word_column(words[w], n));
  column::hash_rows(columns, n, column::Selection(), out);
}

void row_hashes(const RowLayout& layout, const uint8_t* const* rows, int64_t n, uint64_t* out) {
  if (layout.form == KeyForm::kBlob) {
    for (int64_t j = 0; j < n; ++j) out[j] = load<uint64_t>(rows[j] + layout.hash_offset);
    return;
  }
  uint64_t scratch[RowLayout::kMaxWords][kSpan];
  for (int64_t at = 0; at < n; at += kSpan) {
    const int64_t here = std::min(kSpan, n - at);
    const uint64_t* words[RowLayout::kMaxWords];
    for (int w = 0; w < layout.words; ++w) {
      for (int64_t j = 0; j < here; ++j) scratch[w][j] = load<uint64_t>(rows[at + j] + w * 8);
      words[w] = scratch[w];
    }
    hash_words(words, layout.words, here, out + at);
  }
}

}  // namespace gristmill::exec
