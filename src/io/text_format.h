// Values as text files show them: what reads back as the same value, in its shortest form.
#pragma once

#include <cstdint>
#include <string>

#include <arrow/type_fwd.h>

namespace gristmill::io {

// 0.1, 100000.0, 1e+20; a number without fraction keeps a point, so that the column stays one of floats. NaN, inf, -inf. A `precision` of
// -1: the shortest text.
void append_float(double v, int precision, std::string& out);
void append_float(float v, int precision, std::string& out);
// The shortest text, into column::kFloatRoom bytes; its end.
char* put_float(double v, char* out);
char* put_float(float v, char* out);
void append_date(int64_t days, std::string& out);
// `between` date and clock, a fraction without trailing zeros, and Z when zoned.
void append_timestamp(int64_t value, int64_t units, bool zoned, char between, std::string& out);
void append_clock(int64_t value, int64_t units, std::string& out);
void append_json_text(std::string_view text, std::string& out);  // with quotes

}  // namespace gristmill::io
