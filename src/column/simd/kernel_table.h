// The primitive kernels as a table of function pointers, one table per SIMD level.
//
// Plain pointers in and out, no library types: the files behind this header are compiled for instruction sets the
// rest of the program must not use, and inlined library code would leak out of them. Every kernel gives the same
// bits at every level. dispatch.h chooses the table.
//
// Conventions. `words` are mask words (column/selection.h): bits at and beyond `n` are 0. `out` of filter, take and
// indices has room for 64 bytes beyond the last value (column/buffers.h gives it). Output bitmaps start at bit 0 and have room
// in whole 64-bit words. A bitmap argument may be null: all ones. Views are 16 bytes; `buffers` are
// the addresses of their out-of-line buffers. Values of 16 bytes need no alignment.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gristmill::column::simd {

// C types of fixed-width values, in the order of Physical::kInt8 .. kInt128.
enum Lane : int { kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kF32, kF64, kI128, kLanes };
// Width classes: 1 << w bytes.
inline constexpr int kWidths = 5;
enum Index : int { kIndex16, kIndex32, kIndex64, kIndexKinds };  // uint16_t, int32_t, int64_t
// In the order of CompareOp.
enum Compare : int { kEq, kNe, kLt, kLe, kGt, kGe, kCompares };
enum Arithmetic : int { kAdd, kSubtract, kMultiply, kDivide, kArithmetics };
enum Shape : int { kColumnColumn, kColumnConst, kConstColumn, kShapes };

// What an arithmetic kernel says about all n lanes together. Lanes under a null count too: look again when it matters.
enum Trouble : unsigned { kFine = 0, kOverflow = 1, kZeroDivisor = 2 };

using FilterFn = int64_t (*)(const void* values, const uint64_t* words, int64_t n, void* out);  // -> values written
using TakeFn = void (*)(const void* values, const void* indices, int64_t n, void* out);         // a negative index gives zero
using TakeBitsFn = int64_t (*)(const uint8_t* bits, int64_t offset, const void* indices, int64_t n, uint8_t* out);  // -> ones
using CompareFn = void (*)(const void* a, const void* b, int64_t n, uint64_t* out);
using CompareViewsFn = void (*)(const void* a, const uint8_t* const* a_buffers, const void* b, const uint8_t* const* b_buffers, int64_t n,
                                uint64_t* out);
using HashFn = void (*)(const void* values, int64_t n, uint64_t* out);
using ArithmeticFn = unsigned (*)(const void* a, const void* b, int64_t n, void* out);  // -> Trouble bits
using PrefixFn = void (*)(const void* values, int64_t n, uint64_t flip, uint64_t* out);
using ReduceFn = int64_t (*)(const void* values, const uint64_t* words, int64_t n, void* min, void* max);  // -> values seen

// What text_borders found in delimited text that begins with a record.
struct TextBorders {
  int64_t records;  // line ends outside quotes
  int64_t blanks;   // of these, the ends of empty lines
  int64_t last;     // behind the last of them; 0: there is none
  bool stray;       // a quote opens or closes within a field, so nothing of this can be relied on
  bool quotes;      // there is a quote at all
};

// text_fields continues at `from` (a multiple of 64) and stops at `to` (one too, or the end). `ends` has room for 8 positions and
// `record_ends` for none beyond the bytes looked at.
struct TextFields {
  int64_t from, to;
  uint32_t* ends;         // where the fields end: positions of delimiters and line ends outside quotes
  int64_t fields;         // how many there are
  uint32_t* record_ends;  // for each record the number of fields up to its end
  int64_t records;
  uint64_t inside;  // all ones when `from` lies inside quotes
};

// X(member, declaration): the list that makes the struct and the names.
#define GRISTMILL_KERNELS(X)                                                                                                  \
  X(count_bits, int64_t (*count_bits)(const uint64_t* words, int64_t n_words))                                                \
  X(and_words, int64_t (*and_words)(const uint64_t* a, const uint64_t* b, int64_t n_words, uint64_t* out))                    \
  X(or_words, int64_t (*or_words)(const uint64_t* a, const uint64_t* b, int64_t n_words, uint64_t* out))                      \
  X(and_not_words, int64_t (*and_not_words)(const uint64_t* a, const uint64_t* b, int64_t n_words, uint64_t* out))            \
  X(not_words, int64_t (*not_words)(const uint64_t* a, int64_t n, uint64_t* out))                                             \
  X(bits_to_words, int64_t (*bits_to_words)(const uint8_t* bits, int64_t offset, int64_t n, uint64_t* out))                   \
  X(mask_to_indices, int64_t (*mask_to_indices)(const uint64_t* words, int64_t n, uint16_t* out))                             \
  X(filter, FilterFn filter[kWidths])                                                                                         \
  X(filter_bits, int64_t (*filter_bits)(const uint8_t* bits, int64_t offset, const uint64_t* words, int64_t n, uint8_t* out)) \
  X(take, TakeFn take[kWidths][kIndexKinds])                                                                                  \
  X(take_bits, TakeBitsFn take_bits[kIndexKinds])                                                                             \
  X(compare_columns, CompareFn compare_columns[kLanes][kCompares])                                                            \
  X(compare_const, CompareFn compare_const[kLanes][kCompares])                                                                \
  X(compare_views, CompareViewsFn compare_views[kCompares])                                                                   \
  X(compare_views_const, CompareViewsFn compare_views_const[kCompares])                                                       \
  X(views_are_padded, int64_t (*views_are_padded)(const void* views, int64_t n))                                              \
  X(hash, HashFn hash[kLanes])                                                                                                \
  X(hash_views, void (*hash_views)(const void* views, const uint8_t* const* buffers, int64_t n, uint64_t* out))               \
  X(combine_hashes, void (*combine_hashes)(uint64_t* hashes, const uint64_t* more, int64_t n))                                \
  X(arithmetic, ArithmeticFn arithmetic[kLanes][kArithmetics][kShapes])                                                       \
  X(min_max, ReduceFn min_max[kLanes])                                                                                        \
  X(sort_prefixes, PrefixFn sort_prefixes[kLanes])                                                                            \
  X(text_borders, void (*text_borders)(const uint8_t* text, int64_t n, uint8_t delimiter, int quote, TextBorders* out))       \
  X(text_fields, void (*text_fields)(const uint8_t* text, int64_t n, uint8_t delimiter, int quote, TextFields* f))

// count_bits, and/or/and_not/not return the number of ones (not: of the first n bits, the rest stay 0); bits_to_words copies a
// bitmap to mask words and counts. compare_*: floats by the total order of the engine (NaN equal to itself and greatest, -0.0 = 0.0);
// *_const: `b` is one value. views_are_padded: 1 if every inline view is zero behind its text. hash of equal values is equal (floats
// canonical). arithmetic: integers wrap and report, integer division truncates (0 where the divisor is 0), floats follow IEEE. min_max over
// the rows whose bit is set (words null: all); untouched when none; floats in the total order, answers canonical (0.0, the one NaN).
// text_*: `quote` is -1 when there is none; 64 bytes behind the text can be read.
// sort_prefixes: the first eight bytes of each value's key encoding as a number, exclusive-or `flip` (descending order).
struct KernelTable {
#define GRISTMILL_KERNEL_MEMBER(member, declaration) declaration;
  GRISTMILL_KERNELS(GRISTMILL_KERNEL_MEMBER)
#undef GRISTMILL_KERNEL_MEMBER
};

extern const KernelTable kPortableKernels;
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;

}  // namespace gristmill::column::simd
