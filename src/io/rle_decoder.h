// Parquet's hybrid of run lengths and bit packing, for dictionary indices and definition levels.
//
// A stream is a sequence of runs. Header (varint) odd: header >> 1 groups of 8 bit-packed values follow; even: one
// value, in whole bytes, stands for header >> 1 rows. Values are 0 to 32 bits wide, lowest bit first.
//
// Nothing is read beyond `size`; what the stream says is checked, and a stream that ends early is answered with false.
#pragma once

#include <cstdint>

namespace gristmill::io {

class RleDecoder {
 public:
  RleDecoder() = default;
  RleDecoder(const uint8_t* data, int64_t size, int bit_width) : at_(data), end_(data + size), width_(bit_width) {}

  bool read(uint32_t* out, int64_t n);
  bool skip(int64_t n);
  // For a width of 1: sets those of the bits [0, n) of a zeroed bitmap that are 1; how many, or -1.
  int64_t read_bits(uint8_t* bits, int64_t n);

 private:
  bool next_run();
  bool unpack_group();

  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  int width_ = 0;
  int64_t repeats_ = 0;  // left of a run of equal values
  uint32_t value_ = 0;
  int64_t groups_ = 0;        // left of a bit-packed run, not unpacked yet
  uint32_t carried_[8] = {};  // of a group that was asked for in parts
  int carried_at_ = 8;
};

}  // namespace gristmill::io
