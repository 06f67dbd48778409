// The hybrid decoder against a stream put together by hand, and against itself in random portions.

#include "io/rle_decoder.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace gristmill::io {
namespace {

struct Stream {
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> values;
  int width = 0;

  void varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) bytes.push_back(static_cast<uint8_t>(v | 0x80));
    bytes.push_back(static_cast<uint8_t>(v));
  }
  void repeat(uint32_t value, int64_t n) {
    varint(static_cast<uint64_t>(n) << 1);
    for (int b = 0; b < (width + 7) / 8; ++b) bytes.push_back(static_cast<uint8_t>(value >> (8 * b)));
    values.insert(values.end(), static_cast<size_t>(n), value);
  }
  void pack(const std::vector<uint32_t>& some) {  // a multiple of 8
    varint((some.size() / 8) << 1 | 1);
    uint64_t word = 0;
    int bits = 0;
    for (const uint32_t v : some) {
      word |= static_cast<uint64_t>(v) << bits;
      for (bits += width; bits >= 8; bits -= 8, word >>= 8) bytes.push_back(static_cast<uint8_t>(word));
    }
    values.insert(values.end(), some.begin(), some.end());
  }
};

Stream random_stream(std::mt19937_64& random, int width) {
  Stream s;
  s.width = width;
  const auto value = [&] { return static_cast<uint32_t>(random() & ((uint64_t{1} << width) - 1)); };
  for (int run = 0; run < 12; ++run) {
    if (random() % 2 == 0) {
      s.repeat(value(), static_cast<int64_t>(1 + random() % 40));
    } else {
      std::vector<uint32_t> some(8 * (1 + random() % 9));
      for (auto& v : some) v = value();
      s.pack(some);
    }
  }
  return s;
}

TEST(RleDecoder, ReadsAndSkipsInAnyPortionsAtEveryWidth) {
  std::mt19937_64 random(17);
  for (int width = 0; width <= 32; ++width) {
    for (int round = 0; round < 20; ++round) {
      const Stream s = random_stream(random, width);
      RleDecoder decoder(s.bytes.data(), static_cast<int64_t>(s.bytes.size()), width);
      size_t at = 0;
      while (at < s.values.size()) {
        const size_t n = std::min<size_t>(s.values.size() - at, 1 + random() % 30);
        if (random() % 3 == 0) {
          ASSERT_TRUE(decoder.skip(static_cast<int64_t>(n)));
        } else {
          std::vector<uint32_t> got(n);
          ASSERT_TRUE(decoder.read(got.data(), static_cast<int64_t>(n)));
          ASSERT_EQ(got,
                    std::vector<uint32_t>(s.values.begin() + static_cast<int64_t>(at), s.values.begin() + static_cast<int64_t>(at + n)))
              << "width " << width;
        }
        at += n;
      }
    }
  }
}

TEST(RleDecoder, ReadsLevelsAsBits) {
  std::mt19937_64 random(18);
  for (int round = 0; round < 200; ++round) {
    const Stream s = random_stream(random, 1);
    const auto n = static_cast<int64_t>(s.values.size());
    std::vector<uint8_t> bits(s.values.size() / 8 + 9, 0);
    int64_t ones = 0;
    for (const uint32_t v : s.values) ones += v;
    ASSERT_EQ(RleDecoder(s.bytes.data(), static_cast<int64_t>(s.bytes.size()), 1).read_bits(bits.data(), n), ones);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ((bits[i >> 3] >> (i & 7)) & 1, s.values[i]);
  }
}

TEST(RleDecoder, SaysWhenTheStreamEndsEarly) {
  Stream s;
  s.width = 5;
  s.repeat(3, 10);
  std::vector<uint32_t> out(20);
  EXPECT_FALSE(RleDecoder(s.bytes.data(), static_cast<int64_t>(s.bytes.size()), 5).read(out.data(), 11));
  EXPECT_FALSE(RleDecoder(s.bytes.data(), 1, 5).read(out.data(), 1));
  EXPECT_FALSE(RleDecoder(nullptr, 0, 5).read(out.data(), 1));
}

}  // namespace
}  // namespace gristmill::io
