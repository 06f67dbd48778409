#include "expr/case_map.h"

#include <cstring>
#include <vector>

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/exec.h>
#include <arrow/compute/initialize.h>
#include <arrow/datum.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "expr/kernel.h"
#include "expr/text_out.h"

namespace gristmill::expr {
namespace {

using column::View16;

constexpr uint64_t kHigh = 0x8080808080808080ULL;
constexpr uint64_t kOnes = 0x0101010101010101ULL;

// Flips bit 5 of the ASCII letters of the other case, eight bytes at once: for bytes below 128, adding 128 - 'a' sets the top
// bit from 'a' on, adding 127 - 'z' sets it beyond 'z'.
uint64_t map_ascii(uint64_t w, bool upper) {
  const uint64_t first = upper ? 'a' : 'A', last = upper ? 'z' : 'Z';
  const uint64_t letters = ((w + (128 - first) * kOnes) ^ (w + (127 - last) * kOnes)) & kHigh;
  return w ^ (letters >> 2);
}

// Maps at least eight bytes; the last eight overlap what came before. False when one is not ASCII.
bool map_bytes(std::string_view in, bool upper, char* out) {
  uint64_t seen = 0;
  const auto map_at = [&](size_t i) {
    uint64_t w;
    std::memcpy(&w, in.data() + i, 8);
    seen |= w;
    w = map_ascii(w & ~kHigh, upper);
    std::memcpy(out + i, &w, 8);
  };
  for (size_t i = 0; i + 8 < in.size(); i += 8) map_at(i);
  map_at(in.size() - 8);
  return (seen & kHigh) == 0;
}

// An inline text within its view; the zeros behind its end stay zeros.
bool map_inline(const View16& in, bool upper, View16& out) {
  uint64_t head, tail;
  std::memcpy(&head, &in, 8);
  std::memcpy(&tail, reinterpret_cast<const char*>(&in) + 8, 8);
  const uint64_t letters = head >> 32;
  head = (map_ascii(letters & ~kHigh, upper) << 32) | in.size;
  const uint64_t mapped = map_ascii(tail & ~kHigh, upper);
  std::memcpy(&out, &head, 8);
  std::memcpy(reinterpret_cast<char*>(&out) + 8, &mapped, 8);
  return ((letters | tail) & kHigh) == 0;
}

// The rows that hold more than ASCII, through one call of Arrow.
arrow::Status map_others(const TextArgument& text, const std::vector<int64_t>& rows, bool upper, arrow::MemoryPool* pool, TextOut& out) {
  static const arrow::Status ready = arrow::compute::Initialize();
  ARROW_RETURN_NOT_OK(ready);
  arrow::LargeStringBuilder builder(pool);
  for (int64_t i : rows) ARROW_RETURN_NOT_OK(builder.Append(text[i]));
  ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(arrow::Datum mapped, arrow::compute::CallFunction(upper ? "utf8_upper" : "utf8_lower", {array}, &context));
  const auto strings = std::static_pointer_cast<arrow::LargeStringArray>(mapped.make_array());
  for (size_t k = 0; k < rows.size(); ++k) ARROW_RETURN_NOT_OK(out.set(rows[k], strings->GetView(static_cast<int64_t>(k))));
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<column::Column> map_case(const column::Column& text, bool upper, int64_t rows, const column::Selection* selection,
                                       arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(rows, pool));
  const TextArgument t(text);
  const column::Column args[] = {text};
  const KernelCall call{args, rows, selection, nullptr, text.type(), pool};
  const column::ValidityBits valid = column::validity_of(*text.values);
  const auto* views = column::values_of<View16>(*text.values);
  std::vector<int64_t> others;
  arrow::Status status;
  for_selected(call, [&](int64_t i) {
    if (!valid.valid(t.constant ? 0 : i) || !status.ok()) return;
    const View16& view = views[t.constant ? 0 : i];
    if (view.is_inline()) {
      View16 mapped;
      if (!map_inline(view, upper, mapped)) return others.push_back(i);
      out.set_view(i, mapped);
      return;
    }
    const std::string_view s = t[i];
    auto room = out.reserve(static_cast<int64_t>(s.size()));
    if (!room.ok()) {
      status = room.status();
    } else if (map_bytes(s, upper, *room)) {
      out.set_written(i, static_cast<int64_t>(s.size()));
    } else {
      others.push_back(i);
    }
  });
  ARROW_RETURN_NOT_OK(status);
  if (!others.empty()) ARROW_RETURN_NOT_OK(map_others(t, others, upper, pool, out));
  return column::Column::flat(out.finish(text.type()));
}

}  // namespace gristmill::expr
