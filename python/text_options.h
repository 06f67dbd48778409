// Options of text files from the dictionaries that the Python side passes; unknown keys are ignored there and cannot occur here.
#pragma once

#include <nanobind/nanobind.h>

#include "gristmill/text_options.h"

namespace gristmill::python {

CsvOptions csv_options_from(const nanobind::dict& d);
NdjsonOptions ndjson_options_from(const nanobind::dict& d);
CsvWriteOptions csv_write_options_from(const nanobind::dict& d);
NdjsonWriteOptions ndjson_write_options_from(const nanobind::dict& d);

}  // namespace gristmill::python
