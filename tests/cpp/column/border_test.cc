// Import and export over every border type: values survive, promises about null slots hold.

#include <arrow/array/array_base.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_dict.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/compare.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "base/status.h"
#include "random_columns.h"

namespace gristmill::column {
namespace {

using testing::ArrayPtr;
using testing::ok;
using testing::pool;
using testing::RandomColumns;
using testing::texts_of;

// Border types with the canonical type a random column is made of.
std::vector<TypePtr> border_types() {
  std::vector<TypePtr> out = testing::all_types();
  for (const TypePtr& t :
       {arrow::utf8(), arrow::large_utf8(), arrow::binary(), arrow::large_binary(), arrow::dictionary(arrow::int16(), arrow::utf8()),
        arrow::dictionary(arrow::int32(), arrow::large_utf8()), arrow::dictionary(arrow::uint16(), arrow::int64()),
        arrow::dictionary(arrow::int64(), arrow::float64()), arrow::list(arrow::utf8()),
        arrow::large_list(arrow::field("element", arrow::large_utf8(), false)),
        arrow::struct_({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::dictionary(arrow::int16(), arrow::utf8()))}),
        arrow::map(arrow::utf8(), arrow::list(arrow::binary()))}) {
    out.push_back(t);
  }
  return out;
}

void expect_zero_null_slots(const arrow::ArrayData& d, int width) {
  for (int64_t i = 0; i < d.length; ++i) {
    if (validity_of(d).valid(i)) continue;
    for (int b = 0; b < width; ++b) ASSERT_EQ(d.buffers[1]->data()[(d.offset + i) * width + b], 0) << "row " << i;
  }
}

TEST(Border, ExportThenImportKeepsEveryValue) {
  uint64_t seed = 1;
  for (const TypePtr& type : border_types()) {
    for (int64_t rows : {0, 1, 50, 333}) {
      for (int round = 0; round < 4; ++round, ++seed) {
        SCOPED_TRACE(type->ToString() + ", " + std::to_string(rows) + " rows, seed " + std::to_string(seed));
        RandomColumns random(seed);
        const Column c = random.column(canonical_type(type), rows);
        const ArrayPtr border = ok(export_array(c, rows, type, pool()));
        ASSERT_TRUE(border->type->Equals(*type));
        ASSERT_EQ(border->length, rows);
        const auto array = arrow::MakeArray(border);
        ASSERT_TRUE(array->ValidateFull().ok()) << array->ValidateFull().ToString();
        if (border->GetNullCount() == 0 && type->id() != arrow::Type::NA) {
          EXPECT_EQ(border->buffers[0], nullptr);
        }
        if (const int width = type->id() == arrow::Type::DICTIONARY ? 0 : byte_width(physical_unchecked(*type)); width > 0) {
          expect_zero_null_slots(*border, width);
        }
        const Column back = ok(import_array(border, pool()));
        ASSERT_TRUE(back.type()->Equals(*canonical_type(type))) << back.type()->ToString();
        ASSERT_EQ(texts_of(back, rows), texts_of(c, rows));
        const int64_t from = random.below(rows + 1), n = random.below(rows - from + 1);
        const Column part = ok(import_array(border->Slice(from, n), pool()));
        for (int64_t i = 0; i < n; ++i) ASSERT_EQ(value_text(part, i), value_text(c, from + i));
        const ArrayPtr again = ok(export_array(part, n, type, pool()));
        EXPECT_TRUE(arrow::MakeArray(again)->ValidateFull().ok());
        if (type->ToString().find("dictionary") == std::string::npos) {  // the same values may come with other entries
          const auto options = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
          EXPECT_TRUE(arrow::MakeArray(again)->Equals(array->Slice(from, n), options));
        }
      }
    }
  }
}

TEST(Border, TextsAreImportedWithoutCopyingTheirBytes) {
  arrow::StringBuilder builder;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(builder.Append("a text of more than twelve bytes " + std::to_string(i)).ok());
  const auto array = ok(builder.Finish());
  const Column c = ok(import_array(array->data(), pool()));
  ASSERT_EQ(c.values->buffers.size(), 3u);
  EXPECT_EQ(c.values->buffers[2], array->data()->buffers[2]);
  EXPECT_EQ(value_text(c, 99), "a text of more than twelve bytes 99");
}

// A scan in small morsels cuts a batch of a file into slices and keeps each: what a slice costs must not grow with the rows before it.
TEST(Border, SlicesOfArraysThatMustBeCopiedCostTheirOwnRowsOnly) {
  constexpr int64_t kRows = 4000;
  std::string bytes(8 + 16 * kRows, '\0');
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  uint8_t* crooked = reinterpret_cast<uint8_t*>(bytes.data()) + (address % 16 == 8 ? 0 : 8);  // as in a mapped file: aligned to 8 bytes
  arrow::Int64Builder offsets_of_lists;
  arrow::BooleanBuilder bits;
  for (int64_t i = 0; i < kRows; ++i) {
    std::memcpy(crooked + 16 * i, &i, 8);
    ASSERT_TRUE(bits.Append(i % 3 != 0).ok());
    ASSERT_TRUE(offsets_of_lists.Append(i).ok());
  }
  ASSERT_TRUE(offsets_of_lists.Append(kRows).ok());
  const auto validity = ok(bits.Finish())->data()->buffers[1];
  const auto values = std::make_shared<arrow::Buffer>(crooked, 16 * kRows);
  const auto decimals = arrow::ArrayData::Make(arrow::decimal128(20, 0), kRows, {validity, values});
  const auto lists = arrow::ArrayData::Make(arrow::large_list(arrow::decimal128(20, 0)), kRows,
                                            {validity, ok(offsets_of_lists.Finish())->data()->buffers[1]},
                                            {arrow::ArrayData::Make(arrow::decimal128(20, 0), kRows, {nullptr, values}, 0)});
  for (const auto& border : {decimals, lists}) {
    SCOPED_TRACE(border->type->ToString());
    arrow::ProxyMemoryPool counted(pool());
    std::vector<Column> kept;
    for (int64_t i = 0; i < kRows; ++i) {
      kept.push_back(ok(import_array(border->Slice(i, 1), &counted)));
      const std::string one = i % 3 == 0 ? "null" : border == lists ? "[" + std::to_string(i) + "]" : std::to_string(i);
      ASSERT_EQ(value_text(kept.back(), 0), one);
    }
    EXPECT_LE(counted.bytes_allocated(), kRows * 64 * 5);  // an allocation has 64 bytes at least, and a column a few of them
  }
}

// Arrow's C interface gives an array of no rows buffers of no bytes: one that begins at row 3 of them cannot be joined with others.
TEST(Border, ListsCutFromALargerArrayLeaveWithChildrenThatStartAtRowZero) {
  const auto values =
      arrow::ArrayData::Make(arrow::int64(), 5, {nullptr, arrow::Buffer::FromVector(std::vector<int64_t>{1, 2, 3, 4, 5})}, 0);
  const auto border = arrow::ArrayData::Make(arrow::list(arrow::int64()), 3,
                                             {nullptr, arrow::Buffer::FromVector(std::vector<int32_t>{0, 3, 3, 5})}, {values}, 0);
  for (int64_t i = 0; i < 3; ++i) {
    const Column c = ok(import_array(border->Slice(i, 1), pool()));
    const auto out = ok(export_array(c, 1, border->type, pool()));
    EXPECT_EQ(out->offset, 0);
    EXPECT_EQ(out->child_data[0]->offset, 0);
    EXPECT_EQ(out->child_data[0]->length, i == 0 ? 3 : i == 1 ? 0 : 2);
  }
}

TEST(Border, TextsBeyondTwoGigabytesAreSplitIntoSeveralBuffers) {
  // Address space only: the pages between the texts are never touched.
  const int64_t size = (int64_t{5} << 30);
  void* memory = mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "5 GiB of address space are not to be had";
  auto* bytes = static_cast<uint8_t*>(memory);
  // Four texts whose ends lie far apart; the gaps belong to null rows.
  std::vector<int64_t> offsets = {10};
  std::vector<bool> valid;
  const std::vector<int64_t> starts = {10, (int64_t{1} << 31) - 20, (int64_t{1} << 31) + 100, (int64_t{4} << 30) + 7};
  std::vector<std::string> expected;
  for (size_t k = 0; k < starts.size(); ++k) {
    const std::string text = "text number " + std::to_string(k) + " of four long texts";
    if (offsets.back() != starts[k]) {
      offsets.push_back(starts[k]);
      valid.push_back(false);
      expected.push_back("null");
    }
    std::memcpy(bytes + starts[k], text.data(), text.size());
    offsets.push_back(starts[k] + static_cast<int64_t>(text.size()));
    valid.push_back(true);
    expected.push_back(text);
  }
  const int64_t rows = static_cast<int64_t>(valid.size());
  auto validity = ok(allocate_bits(rows, pool()));
  for (int64_t i = 0; i < rows; ++i) validity->mutable_data()[i >> 3] |= static_cast<uint8_t>(valid[i] << (i & 7));
  auto offset_buffer = arrow::Buffer::FromVector(offsets);
  auto d = arrow::ArrayData::Make(arrow::large_utf8(), rows, {validity, offset_buffer, std::make_shared<arrow::Buffer>(bytes, size)});
  const Column c = ok(import_array(d, pool()));
  EXPECT_EQ(c.values->buffers.size(), 2u + 3u);
  EXPECT_EQ(texts_of(c, rows), expected);
  munmap(memory, static_cast<size_t>(size));
}

template <typename IndexBuilder>
void check_dictionary(const TypePtr& index_type) {
  SCOPED_TRACE(index_type->ToString());
  arrow::StringBuilder entries;  // "x" twice, one null
  ASSERT_TRUE(entries.AppendValues({"x", "y"}).ok());
  ASSERT_TRUE(entries.AppendNull().ok());
  ASSERT_TRUE(entries.AppendValues({"x", "a longer entry than twelve"}).ok());
  IndexBuilder indices;
  for (int i : {0, 1, 2, 3, 4}) ASSERT_TRUE(indices.Append(static_cast<typename IndexBuilder::value_type>(i)).ok());
  ASSERT_TRUE(indices.AppendNull().ok());
  ASSERT_TRUE(indices.Append(0).ok());
  const auto array =
      ok(arrow::DictionaryArray::FromArrays(arrow::dictionary(index_type, arrow::utf8()), ok(indices.Finish()), ok(entries.Finish())));
  const Column c = ok(import_array(array->data(), pool()));
  ASSERT_TRUE(c.is_dictionary());
  EXPECT_EQ(c.dictionary->length, 3);
  EXPECT_EQ(null_count_of(*c.dictionary), 0);
  EXPECT_EQ(texts_of(c, 7), (std::vector<std::string>{"x", "y", "null", "x", "a longer entry than twelve", "null", "x"}));
  const auto* id = values_of<int32_t>(*c.values);
  EXPECT_EQ(id[0], id[3]);
  EXPECT_EQ(id[2], 0);
  const Column tail = ok(import_array(array->Slice(2, 3)->data(), pool()));
  EXPECT_EQ(texts_of(tail, 3), (std::vector<std::string>{"null", "x", "a longer entry than twelve"}));
}

TEST(Border, DictionariesLoseNullAndDuplicateEntries) {
  check_dictionary<arrow::Int8Builder>(arrow::int8());
  check_dictionary<arrow::Int16Builder>(arrow::int16());
  check_dictionary<arrow::Int32Builder>(arrow::int32());
  check_dictionary<arrow::Int64Builder>(arrow::int64());
  check_dictionary<arrow::UInt8Builder>(arrow::uint8());
  check_dictionary<arrow::UInt16Builder>(arrow::uint16());
  check_dictionary<arrow::UInt32Builder>(arrow::uint32());
  check_dictionary<arrow::UInt64Builder>(arrow::uint64());
}

TEST(Border, ADictionaryIndexOutsideItsDictionaryIsAnError) {
  auto indices = arrow::Buffer::FromVector(std::vector<int32_t>{0, 5});
  auto d = arrow::ArrayData::Make(arrow::dictionary(arrow::int32(), arrow::int64()), 2, {nullptr, indices});
  d->dictionary = arrow::ArrayData::Make(arrow::int64(), 1, {nullptr, arrow::Buffer::FromVector(std::vector<int64_t>{7})});
  const auto r = import_array(d, pool());
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(base::error_kind(r.status()), base::ErrorKind::kData);
}

TEST(Border, ExportedDictionariesMustFitTheirIndexType) {
  RandomColumns random(1);
  std::vector<int64_t> many(300);
  for (int i = 0; i < 300; ++i) many[i] = i;
  const Column c = Column::flat(arrow::ArrayData::Make(arrow::int64(), 300, {nullptr, arrow::Buffer::FromVector(many)}));
  EXPECT_FALSE(export_array(c, 300, arrow::dictionary(arrow::int8(), arrow::int64()), pool()).ok());
  const auto wide = ok(export_array(c, 300, arrow::dictionary(arrow::int16(), arrow::int64()), pool()));
  EXPECT_EQ(wide->dictionary->length, 300);
}

TEST(Border, ExportedDictionariesHoldWhatTheRowsNameInTheOrderOfFirstAppearance) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  arrow::StringBuilder entries;
  ASSERT_TRUE(entries.AppendValues({"unused", "a", "b", "also unused"}).ok());
  arrow::Int8Builder indices;
  ASSERT_TRUE(indices.AppendValues({2, 1, 2}).ok());
  ASSERT_TRUE(indices.AppendNull().ok());
  const auto array = ok(arrow::DictionaryArray::FromArrays(type, ok(indices.Finish()), ok(entries.Finish())));
  const Column encoded = ok(import_array(array->data(), pool()));
  ASSERT_TRUE(encoded.is_dictionary());
  const ArrayPtr from_entries = ok(export_array(encoded, 4, type, pool()));
  const ArrayPtr from_values = ok(export_array(ok(flatten(encoded, 4, pool())), 4, type, pool()));
  for (const ArrayPtr& border : {from_entries, from_values}) {
    EXPECT_EQ(arrow::MakeArray(border->dictionary)->ToString(), "[\n  \"b\",\n  \"a\"\n]");
  }
  EXPECT_TRUE(arrow::MakeArray(from_entries)->Equals(*arrow::MakeArray(from_values)));
}

TEST(Border, NarrowDecimalsWidenAndComeBack) {
  for (const TypePtr& type : {arrow::decimal32(9, 2), arrow::decimal64(18, 2)}) {
    RandomColumns random(4);
    const Column c = random.flat(ok(parse_type("decimal(9,2)")), 100);
    const TypePtr target = type;
    const ArrayPtr border = ok(export_array(Column::flat([&] {
                                              auto d = c.values->Copy();
                                              d->type = canonical_type(type);
                                              return d;
                                            }()),
                                            100, target, pool()));
    EXPECT_TRUE(arrow::MakeArray(border)->ValidateFull().ok());
    const Column back = ok(import_array(border->Slice(3, 97), pool()));
    for (int64_t i = 0; i < 97; ++i) ASSERT_EQ(value_text(back, i), value_text(c, i + 3));
  }
}

TEST(Border, FixedSizeBinaryBecomesBinary) {
  auto bytes = arrow::Buffer::FromString("abcdefghijklmnopqrstuvwxyz0123456789ABCD");
  auto d = arrow::ArrayData::Make(arrow::fixed_size_binary(20), 2, {nullptr, bytes});
  const Column c = ok(import_array(d, pool()));
  EXPECT_EQ(view_at(*c.values, 1), "uvwxyz0123456789ABCD");
  const auto back = ok(export_array(c, 2, arrow::fixed_size_binary(20), pool()));
  EXPECT_TRUE(arrow::MakeArray(back)->Equals(arrow::MakeArray(d)));
  EXPECT_FALSE(export_array(c, 2, arrow::fixed_size_binary(5), pool()).ok());
}

TEST(Border, DirtyViewsAreCleaned) {
  std::vector<View16> views(3);
  std::memset(views.data(), 0xee, 48);
  views[0].size = 2;
  std::memcpy(views[0].inlined, "hi", 2);
  views[2].size = 0;
  const uint8_t valid = 0b101;
  auto d = arrow::ArrayData::Make(arrow::utf8_view(), 3,
                                  {arrow::Buffer::FromString(std::string(1, static_cast<char>(valid))), arrow::Buffer::FromVector(views)});
  const Column c = ok(import_array(d, pool()));
  EXPECT_EQ(texts_of(c, 3), (std::vector<std::string>{"hi", "null", ""}));
  const View16 zero{};
  EXPECT_EQ(std::memcmp(values_of<View16>(*c.values) + 1, &zero, 16), 0);
  EXPECT_EQ(std::memcmp(values_of<View16>(*c.values)[0].inlined + 2, &zero, 10), 0);
}

TEST(Border, ChunksOfNoRowsMayComeWithoutBuffers) {
  for (const TypePtr& type :
       {arrow::int64(), arrow::boolean(), arrow::utf8(), arrow::large_binary(), arrow::utf8_view(), arrow::decimal128(5, 2)}) {
    auto d = arrow::ArrayData::Make(type, 0, {nullptr, nullptr, nullptr}, 0);
    const Column c = ok(import_array(d, pool()));
    ASSERT_EQ(c.values->length, 0);
    EXPECT_NE(c.values->buffers[1], nullptr);
    EXPECT_EQ(ok(filter(c, 0, Mask(0, false), 0, pool())).values->length, 0);
  }
  const Column list = ok(import_array(arrow::MakeEmptyArray(arrow::list(arrow::utf8())).ValueOrDie()->data(), pool()));
  EXPECT_EQ(list.values->length, 0);
}

TEST(Border, UnalignedValuesAreMoved) {
  auto storage = arrow::Buffer::FromString(std::string(1 + 5 * 16, '\1'));
  auto d = arrow::ArrayData::Make(arrow::decimal128(38, 0), 5, {nullptr, arrow::SliceBuffer(storage, 1)});
  const Column c = ok(import_array(d, pool()));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(values_of<uint8_t>(*c.values)) % 16, 0u);
}

TEST(Border, WideDecimalsPassWhileTheyHave38Digits) {
  const auto type = arrow::decimal256(50, 1);
  arrow::Decimal256Builder builder(type, pool());
  const std::string most(38, '9');
  for (const std::string& digits : {most, "-" + most, std::string("0"), std::string("-1")})
    ASSERT_TRUE(builder.Append(arrow::Decimal256(digits)).ok());
  ASSERT_TRUE(builder.AppendNull().ok());
  const auto given = builder.Finish().ValueOrDie();
  const Column c = ok(import_array(given->Slice(1)->data(), pool()));
  EXPECT_TRUE(c.type()->Equals(*arrow::decimal128(38, 1)));
  const auto back = arrow::MakeArray(ok(export_array(c, 4, type, pool())));
  EXPECT_TRUE(back->Equals(*given->Slice(1))) << back->ToString();
  for (const std::string& digits :
       {"1" + std::string(38, '0'), "-1" + std::string(38, '0'), std::string(50, '9'), "-" + std::string(50, '9')}) {
    arrow::Decimal256Builder one(type, pool());
    ASSERT_TRUE(one.Append(arrow::Decimal256("5")).ok());
    ASSERT_TRUE(one.Append(arrow::Decimal256(digits)).ok());
    const auto r = import_array(one.Finish().ValueOrDie()->data(), pool());
    ASSERT_FALSE(r.ok()) << digits;
    EXPECT_NE(r.status().message().find("more than 38 digits"), std::string::npos);
    EXPECT_EQ(base::error_detail(r.status())->batch_row, 1);
  }
  const auto places = import_array(arrow::MakeEmptyArray(arrow::decimal256(60, 40)).ValueOrDie()->data(), pool());
  ASSERT_FALSE(places.ok());
  EXPECT_NE(places.status().message().find("38 digits"), std::string::npos);
}

TEST(Border, ScalarsBecomeConstants) {
  EXPECT_EQ(value_text(ok(constant_of(arrow::Int64Scalar(7), pool())), 3), "7");
  EXPECT_EQ(value_text(ok(constant_of(arrow::StringScalar("short"), pool())), 0), "short");
  EXPECT_EQ(value_text(ok(constant_of(arrow::LargeStringScalar("a text that is not inline"), pool())), 0), "a text that is not inline");
  EXPECT_EQ(value_text(ok(constant_of(arrow::BooleanScalar(true), pool())), 0), "true");
  EXPECT_EQ(value_text(ok(constant_of(arrow::DoubleScalar(0.1), pool())), 0), "0.1");
  EXPECT_EQ(value_text(ok(constant_of(*arrow::MakeNullScalar(arrow::utf8()), pool())), 0), "null");
  EXPECT_EQ(value_text(ok(constant_of(arrow::Decimal128Scalar(arrow::Decimal128(-1234), arrow::decimal128(10, 2)), pool())), 0), "-12.34");
}

TEST(Border, BatchesExportTheirSelectedRows) {
  RandomColumns random(8);
  const auto schema = ok(parse_schema("a:int64 b:string c:list<int32>"));
  const auto border =
      arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8()), arrow::field("c", arrow::list(arrow::int32()))});
  std::vector<TypePtr> types;
  for (const auto& f : schema->fields()) types.push_back(f->type());
  const Batch b = random.batch(types, 200);
  const auto rb = ok(export_batch(b, border, pool()));
  ASSERT_TRUE(rb->ValidateFull().ok()) << rb->ValidateFull().ToString();
  const Batch back = ok(import_batch(*rb, pool()));
  ASSERT_EQ(back.rows, b.selected());
  const auto live = b.selection.indices(b.rows);
  for (size_t i = 0; i < live.size(); ++i) {
    for (int c = 0; c < 3; ++c) ASSERT_EQ(value_text(back.columns[c], static_cast<int64_t>(i)), value_text(b.columns[c], live[i]));
  }
}

}  // namespace
}  // namespace gristmill::column
