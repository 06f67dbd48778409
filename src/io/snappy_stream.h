// Streams that Arrow has not: the snappy framing format, and bytes put before a stream.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/io/type_fwd.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

namespace gristmill::io {

// Decompresses chunk by chunk; the checksums of the chunks are verified. Input that does not begin with the stream's identifier is taken as
// one raw snappy block.
std::shared_ptr<arrow::io::InputStream> snappy_stream(std::shared_ptr<arrow::io::InputStream> in, arrow::MemoryPool* pool);

// Bytes as a whole stream of that format; streams one behind the other are one.
arrow::Result<std::shared_ptr<arrow::Buffer>> snappy_framed(const arrow::Buffer& bytes, arrow::MemoryPool* pool);

arrow::Result<std::shared_ptr<arrow::io::InputStream>> prefixed_stream(std::vector<uint8_t> first,
                                                                       std::shared_ptr<arrow::io::InputStream> rest);

}  // namespace gristmill::io
