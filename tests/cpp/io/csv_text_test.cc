// The fast scans of delimited text against the grammar, character by character; blocks cut at every size; values against the slow parser.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/cpu.h"
#include "column/simd/dispatch.h"
#include "expr/parse_text.h"
#include "io/csv_fields.h"
#include "io/csv_text.h"
#include "io/text_blocks.h"
#include "io/text_values.h"
#include "tables.h"

namespace gristmill::io::test {
namespace {

// Ends in room that can be read.
struct Text {
  explicit Text(std::string s) : n(std::ssize(s)), bytes(std::move(s)) { bytes.resize(static_cast<size_t>(n) + 64); }
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(bytes.data()); }
  int64_t n;
  std::string bytes;
};

// With `tidy`, quotes stand only where fields begin and end.
std::string random_csv(Random& random, bool tidy) {
  std::string out;
  const auto pick = [&](std::initializer_list<const char*> of) { return std::string(*(of.begin() + random() % of.size())); };
  for (uint64_t records = random() % 40; records > 0; --records) {
    for (uint64_t fields = 1 + random() % 4; fields > 0; --fields) {
      const bool quoted = random() % 3 == 0;
      if (quoted) out += '"';
      for (uint64_t i = random() % 8; i > 0; --i) {
        out += quoted ? pick({"a", ",", "\n", "\"\"", "\r", "long text"}) : pick({"a", "b\r", "1.5", "a long text without anything"});
        if (!tidy && random() % 20 == 0) out += '"';
      }
      if (quoted) out += '"';
      if (fields > 1) out += ',';
    }
    out += pick({"\n", "\r\n", "\n\n", "\n\r\n"});
  }
  return out;
}

struct Walked {
  std::vector<uint32_t> ends;
  std::vector<uint32_t> record_ends;  // fields up to each
  int64_t next = 0;
};

// The grammar, with empty lines as records of one field.
Walked walk_all(const Text& t) {
  Walked out;
  CsvDialect d;
  d.skip_blank = false;
  while (out.next < t.n) {
    std::vector<uint32_t> ends;
    const RecordWalk r = walk_record(t.data(), t.n, out.next, d, &ends);
    if (r.end != RecordEnd::kLine) break;
    out.next = r.next;
    out.ends.insert(out.ends.end(), ends.begin(), ends.end());
    out.record_ends.push_back(static_cast<uint32_t>(out.ends.size()));
  }
  return out;
}

TEST(CsvText, TheScansFindWhatTheGrammarSaysAtEveryLevel) {
  using namespace column::simd;
  int64_t strays = 0;
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const bool tidy = seed % 2 == 0;
    const Text t(random_csv(random, tidy));
    const Walked wanted = walk_all(t);
    CsvDialect skipping;
    const LineWalk records = walk_records(t.data(), t.n, 0, skipping, INT64_MAX);
    for (const auto level : base::available_simd_levels()) {
      const KernelTable& k = kernels(level);
      TextBorders b;
      k.text_borders(t.data(), t.n, ',', '"', &b);
      if (tidy) ASSERT_FALSE(b.stray) << t.bytes;
      strays += b.stray;
      if (b.stray) continue;
      ASSERT_EQ(b.last, wanted.next);
      ASSERT_EQ(b.records, std::ssize(wanted.record_ends));
      ASSERT_EQ(b.records - b.blanks, records.records);
      std::vector<uint32_t> ends(static_cast<size_t>(t.n) + 16), record_ends(static_cast<size_t>(t.n) + 16);
      TextFields f{0, b.last, ends.data(), 0, record_ends.data(), 0, 0};
      const int64_t middle = b.last / 128 * 64;
      f.to = middle;
      k.text_fields(t.data(), b.last, ',', '"', &f);
      f.from = middle;
      f.to = b.last;
      k.text_fields(t.data(), b.last, ',', '"', &f);
      ends.resize(static_cast<size_t>(f.fields));
      record_ends.resize(static_cast<size_t>(f.records));
      ASSERT_EQ(ends, wanted.ends);
      ASSERT_EQ(record_ends, wanted.record_ends);
    }
  }
  EXPECT_GT(strays, 100);
}

TEST(CsvText, BlocksOfAnySizeHoldTheSameRecords) {
  TemporaryDirectory dir;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::string text = random_csv(random, seed % 2 == 0);
    write_text(dir.path("t.csv"), text);
    const Text whole(text);
    std::vector<std::string> wanted, found;
    const auto records_of = [](const uint8_t* p, int64_t n, std::vector<std::string>& out) {
      for (int64_t at = 0; at < n;) {
        const RecordWalk r = walk_record(p, n, at, CsvDialect{}, nullptr);
        if (r.record) out.emplace_back(reinterpret_cast<const char*>(p) + at, static_cast<size_t>(r.next - at));
        at = r.next;
      }
    };
    records_of(whole.data(), whole.n, wanted);
    for (const int64_t size : {1, 3, 7, 16, 64, 65, 200, 100000}) {
      BlockRules rules;
      rules.block_bytes = size;
      rules.most_records = seed % 3 == 0 ? 2 : 0;
      BlockCutter cutter({{*find_input(dir.path("t.csv")), arrow::Compression::UNCOMPRESSED}}, rules, arrow::default_memory_pool());
      found.clear();
      int64_t line = 1;
      bool open_quote = false;
      while (const auto block = cutter.next()) {
        if (!block->error.ok()) {
          EXPECT_NE(block->error.message().find("a quote does not close"), std::string::npos) << block->error.ToString();
          open_quote = true;
          break;
        }
        EXPECT_EQ(block->first_row, std::ssize(found));
        EXPECT_EQ(block->first_line, line);
        const int64_t before = std::ssize(found);
        records_of(block->text(), block->size, found);
        EXPECT_EQ(block->records, std::ssize(found) - before);
        line += std::count(block->text(), block->text() + block->size, uint8_t{'\n'});
      }
      if (open_quote) found.push_back(wanted.back());
      EXPECT_EQ(found, wanted) << size;
    }
  }
}

TEST(CsvText, FastValuesAreTheSlowParsersValues) {
  Random random(7);
  const auto digits = [&](uint64_t most) {
    std::string s;
    for (uint64_t i = random() % (most + 1); i > 0; --i) s += static_cast<char>('0' + random() % 10);
    return s;
  };
  int64_t accepted = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string s = random() % 4 == 0 ? "-" : "";
    s += digits(12);
    if (random() % 2 == 0) s += "." + digits(8);
    if (random() % 30 == 0 && !s.empty()) s[random() % s.size()] = static_cast<char>(random());
    std::string padded = s + std::string(64, '9');
    const auto n = std::ssize(s);
    double fast = 0, slow = 0;
    if (fast_double(padded.data(), n, fast)) {
      ++accepted;
      ASSERT_TRUE(expr::parse_float(s, slow)) << s;
      ASSERT_EQ(std::memcmp(&fast, &slow, 8), 0) << s;
    }
    float fast_f = 0, slow_f = 0;
    if (fast_float(padded.data(), n, fast_f)) {
      ASSERT_TRUE(expr::parse_float(s, slow_f)) << s;
      ASSERT_EQ(std::memcmp(&fast_f, &slow_f, 4), 0) << s;
    }
    int64_t fast_i = 0, slow_i = 0;
    if (fast_int64(padded.data(), n, fast_i)) {
      ASSERT_TRUE(expr::parse_integer(s, slow_i)) << s;
      ASSERT_EQ(fast_i, slow_i) << s;
    }
  }
  EXPECT_GT(accepted, 50000);
  for (int i = 0; i < 50000; ++i) {
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02d-%02d%c%02d:%02d:%02d", static_cast<int>(random() % 10000), static_cast<int>(random() % 14),
                  static_cast<int>(random() % 33), random() % 2 == 0 ? 'T' : ' ', static_cast<int>(random() % 25),
                  static_cast<int>(random() % 61), static_cast<int>(random() % 61));
    std::string s = text;
    if (random() % 2 == 0) s += "." + digits(7);
    if (random() % 2 == 0) s += random() % 2 == 0 ? "Z" : "+05:30";
    std::string padded = s + std::string(64, '9');
    int64_t fast = 0, slow = 0;
    bool zoned;
    if (fast_timestamp(padded.data(), std::ssize(s), 1000000, fast, zoned)) {
      ASSERT_TRUE(expr::parse_timestamp(s, 1000000, slow)) << s;
      ASSERT_EQ(fast, slow) << s;
    }
    int64_t day = 0, slow_day = 0;
    if (fast_date(padded.data(), 10, day)) {
      ASSERT_TRUE(expr::parse_date(s.substr(0, 10), slow_day));
      ASSERT_EQ(day, slow_day);
    }
  }
}

}  // namespace
}  // namespace gristmill::io::test
