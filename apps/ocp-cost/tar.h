// Tar archives as a stream of members: the old format, ustar, GNU's and pax's long names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

namespace ocp {

// The bytes of one member; what is not read is passed over.
class TarMember {
 public:
  TarMember(arrow::io::InputStream& archive, int64_t bytes) : archive_(archive), left_(bytes) {}
  // 0 at the end. Fewer bytes than the archive promised are an error.
  arrow::Result<int64_t> read(void* out, int64_t bytes);
  int64_t left() const { return left_; }

 private:
  arrow::io::InputStream& archive_;
  int64_t left_;
};

// `each` is called for regular files in order. An archive that ends without its end mark was not written to the end: an error.
arrow::Status each_member(arrow::io::InputStream& archive,
                          const std::function<arrow::Status(const std::string& name, TarMember& member)>& each);

}  // namespace ocp
