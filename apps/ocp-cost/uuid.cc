// Version 4: 122 random bits from the operating system.

#include <sys/random.h>
#include <cerrno>
#include <cstdint>
#include <vector>

#include <arrow/array/builder_binary.h>

#include "summary_table.h"

namespace ocp {

namespace {

constexpr size_t kBytes = 16, kText = 36;

arrow::Status fill_random(std::vector<uint8_t>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = getrandom(bytes.data() + done, bytes.size() - done, 0);
    if (n < 0 && errno != EINTR) return arrow::Status::IOError("no random bytes from the system");
    if (n > 0) done += static_cast<size_t>(n);
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Array>> random_uuids(int64_t rows) {
  std::vector<uint8_t> bytes(static_cast<size_t>(rows) * kBytes);
  ARROW_RETURN_NOT_OK(fill_random(bytes));
  arrow::StringBuilder out;
  ARROW_RETURN_NOT_OK(out.Reserve(rows));
  ARROW_RETURN_NOT_OK(out.ReserveData(rows * static_cast<int64_t>(kText)));
  constexpr char kHex[] = "0123456789abcdef";
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t* id = bytes.data() + static_cast<size_t>(row) * kBytes;
    id[6] = static_cast<uint8_t>((id[6] & 0x0F) | 0x40);
    id[8] = static_cast<uint8_t>((id[8] & 0x3F) | 0x80);
    char text[kText];
    size_t at = 0;
    for (size_t b = 0; b < kBytes; ++b) {
      if (b == 4 || b == 6 || b == 8 || b == 10) text[at++] = '-';
      text[at++] = kHex[id[b] >> 4];
      text[at++] = kHex[id[b] & 15];
    }
    out.UnsafeAppend(text, static_cast<int32_t>(kText));
  }
  return out.Finish();
}

}  // namespace ocp
